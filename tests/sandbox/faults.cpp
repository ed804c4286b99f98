#include "faults.hpp"

#include <algorithm>

namespace prooftrack::sandbox {
namespace {

constexpr std::array<std::pair<std::string_view, fault_kind>, 11> kinds{{
    {"status", fault_kind::status},
    {"delay", fault_kind::delay},
    {"close", fault_kind::close},
    {"truncate", fault_kind::truncate},
    {"garbage", fault_kind::garbage},
    {"wrong_id", fault_kind::wrong_id},
    {"huge", fault_kind::huge},
    {"stall", fault_kind::stall},
    {"drip", fault_kind::drip},
    {"endless_header", fault_kind::endless_header},
    {"refuse", fault_kind::refuse},
}};

constexpr std::array<std::pair<std::string_view, fault_point>, 4> points{{
    {"before", fault_point::before},
    {"header", fault_point::header},
    {"body", fault_point::body},
    {"after", fault_point::after},
}};

} // namespace

std::string_view to_string(fault_kind kind) {
    for (const auto& [name, value] : kinds) {
        if (value == kind) return name;
    }
    return "";
}

std::optional<fault_kind> parse_fault_kind(std::string_view name) {
    for (const auto& [known, value] : kinds) {
        if (known == name) return value;
    }
    return std::nullopt;
}

std::optional<fault_point> parse_fault_point(std::string_view name) {
    for (const auto& [known, value] : points) {
        if (known == name) return value;
    }
    return std::nullopt;
}

bool fault_list::turn_on(fault added, steady_time now) {
    std::erase_if(faults_, [&](const fault& old) {
        return old.ends <= now || (old.kind == added.kind && old.path == added.path);
    });
    if (faults_.size() >= most_faults) return false;
    if (added.lasts) added.ends = now + *added.lasts;
    if (added.count && *added.count == 0) return true;
    faults_.push_back(std::move(added));
    return true;
}

template <class Predicate>
std::optional<fault> fault_list::take_if(std::string_view path, steady_time now, Predicate fits) {
    for (auto at = faults_.rbegin(); at != faults_.rend(); ++at) {
        if (!fits(at->kind) || at->ends <= now || !path.starts_with(at->path)) continue;
        const fault taken = *at;
        if (at->count && --*at->count == 0) faults_.erase(std::next(at).base());
        return taken;
    }
    return std::nullopt;
}

std::optional<fault> fault_list::take(std::string_view path, steady_time now) {
    return take_if(path, now, [](fault_kind kind) { return kind != fault_kind::delay && kind != fault_kind::refuse; });
}

milliseconds fault_list::take_delay(std::string_view path, steady_time now) {
    const auto taken = take_if(path, now, [](fault_kind kind) { return kind == fault_kind::delay; });
    return taken ? taken->delay.value_or(seconds(1)) : milliseconds(0);
}

bool fault_list::take_refusal(steady_time now) {
    return take_if("/widget/", now, [](fault_kind kind) { return kind == fault_kind::refuse; }).has_value();
}

} // namespace prooftrack::sandbox
