#include "prooftrackctl/doctor_view.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

constexpr std::size_t level_width = 7; // "warning"
constexpr std::size_t gap = 2;

paint paint_of_level(finding_level level) {
    switch (level) {
    case finding_level::ok:
        return paint::good;
    case finding_level::warning:
        return paint::warn;
    case finding_level::problem:
        return paint::bad;
    }
    return paint::plain;
}

std::string padded(std::string_view text, std::size_t width) {
    const std::size_t wide = display_width(text);
    return std::string(text) + std::string(width > wide ? width - wide : 0, ' ');
}

std::size_t count_of(const std::vector<finding>& findings, finding_level level) {
    return static_cast<std::size_t>(
        std::count_if(findings.begin(), findings.end(), [level](const finding& one) { return one.level == level; }));
}

std::string plural(std::size_t number, std::string_view word) {
    return fmt::format("{} {}{}", number, word, number == 1 ? "" : "s");
}

} // namespace

bool is_all_well(const std::vector<finding>& findings) {
    return count_of(findings, finding_level::ok) == findings.size();
}

std::string format_findings(const std::vector<finding>& findings, const look& where) {
    std::size_t widest = 0;
    for (const finding& one : findings) widest = std::max(widest, display_width(printable(one.check)));
    const std::string indent(level_width + gap + widest + gap, ' ');
    std::string out;
    for (const finding& one : findings) {
        const std::string what = wrapped(printable(one.what), where.width, indent);
        out += painted(padded(to_string(one.level), level_width), paint_of_level(one.level), where);
        out += std::string(gap, ' ') + padded(printable(one.check), widest) + std::string(gap, ' ');
        out += what.substr(indent.size());
        if (one.advice.empty()) continue;
        const std::string_view arrow = where.utf8 ? "→ " : "-> ";
        out += wrapped(fmt::format("{}{}", arrow, printable(one.advice)), where.width, indent);
    }
    const std::size_t problems = count_of(findings, finding_level::problem);
    const std::size_t warnings = count_of(findings, finding_level::warning);
    if (problems + warnings == 0) return out + painted("all is well", paint::good, where) + "\n";
    return out +
           painted(
               fmt::format("{}, {}", plural(problems, "problem"), plural(warnings, "warning")),
               problems > 0 ? paint::bad : paint::warn, where) +
           "\n";
}

std::string format_finding_json(const finding& one) {
    return fmt::format(
        "{{\"check\":{},\"result\":{},\"what\":{},\"advice\":{}}}", json_string(one.check),
        json_string(to_string(one.level)), json_string(one.what),
        one.advice.empty() ? "null" : json_string(one.advice));
}

} // namespace prooftrack::ctl
