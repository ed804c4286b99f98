#include "config/patterns.hpp"

#include <array>

namespace prooftrack {
namespace {

constexpr std::array<std::string_view, 9> events{
    "transaction.completed", "transaction.failed",    "transaction.cancelled",
    "transaction.overdue",   "transaction.not_found", "transaction.rejected",
    "transaction.abandoned", "transaction.reversed",  "transaction.updated"};

/// Iterative, remembering the last star alone: a pattern of many stars costs no more than pattern times text.
bool glob(std::string_view pattern, std::string_view text) {
    std::size_t p = 0;
    std::size_t t = 0;
    std::size_t star = std::string_view::npos;
    std::size_t resume = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            resume = t;
        } else if (p < pattern.size() && pattern[p] == text[t]) {
            ++p;
            ++t;
        } else if (star != std::string_view::npos) {
            p = star + 1;
            t = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.size() && pattern[p] == '*') ++p;
    return p == pattern.size();
}

} // namespace

std::span<const std::string_view> selectable_events() { return events; }

bool pattern_selects(std::string_view pattern, std::string_view event) {
    if (event == "transaction.updated") return pattern == event;
    return glob(pattern, event);
}

} // namespace prooftrack
