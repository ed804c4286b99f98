#include "base/event_names.hpp"

#include <algorithm>

namespace prooftrack {
namespace {

/// Iterative, remembering the last star alone: a pattern of many stars costs no more than pattern times text.
bool matches(std::string_view pattern, std::string_view text) {
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

bool pattern_selects(std::string_view pattern, std::string_view event) {
    if (event == "transaction.updated") return pattern == event;
    const bool is_known =
        std::find(selectable_events.begin(), selectable_events.end(), event) != selectable_events.end();
    return is_known && matches(pattern, event);
}

} // namespace prooftrack
