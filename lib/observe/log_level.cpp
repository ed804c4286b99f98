#include "observe/log.hpp"

#include <array>

#include <fmt/format.h>

namespace prooftrack::observe {
namespace {

constexpr std::array<std::pair<log_level, std::string_view>, 6> names{{
    {log_level::critical, "critical"},
    {log_level::error, "error"},
    {log_level::warning, "warning"},
    {log_level::notice, "notice"},
    {log_level::info, "info"},
    {log_level::debug, "debug"},
}};

} // namespace

log_field::log_field(std::string_view k, double v) : key(k), value(fmt::format("{:.1f}", v)), is_text(false) {}

std::string_view to_string(log_level level) {
    for (const auto& [value, name] : names) {
        if (value == level) return name;
    }
    return "debug";
}

std::optional<log_level> parse_log_level(std::string_view name) {
    for (const auto& [value, known] : names) {
        if (known == name) return value;
    }
    return std::nullopt;
}

} // namespace prooftrack::observe
