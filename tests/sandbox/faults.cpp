#include "faults.hpp"

#include <algorithm>

namespace prooftrack::sandbox {
namespace {

constexpr std::array<std::pair<std::string_view, fault_kind>, 15> kinds{{
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
    {"goaway", fault_kind::goaway},
    {"refuse_stream", fault_kind::refuse_stream},
    {"reset", fault_kind::reset},
    {"max_streams", fault_kind::max_streams},
}};

constexpr std::array<std::pair<std::string_view, fault_point>, 4> points{{
    {"before", fault_point::before},
    {"header", fault_point::header},
    {"body", fault_point::body},
    {"after", fault_point::after},
}};

// In the order of their codes.
constexpr std::array<std::string_view, 14> http2_errors{
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED"};
constexpr std::uint32_t internal_error = 2;

bool is_http2_only(fault_kind kind) {
    return kind == fault_kind::goaway || kind == fault_kind::refuse_stream || kind == fault_kind::reset;
}

/// Taken by functions of their own, beside the one that strikes.
bool is_beside(fault_kind kind) {
    return kind == fault_kind::delay || kind == fault_kind::refuse || kind == fault_kind::max_streams;
}

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

std::optional<std::uint32_t> parse_http2_error(std::string_view name) {
    const auto found = std::find(http2_errors.begin(), http2_errors.end(), name);
    if (found == http2_errors.end()) return std::nullopt;
    return static_cast<std::uint32_t>(found - http2_errors.begin());
}

std::string_view format_http2_error(std::uint32_t code) {
    return code < http2_errors.size() ? http2_errors[code] : std::string_view();
}

fault_point fault::point() const {
    if (kind == fault_kind::truncate) return fault_point::body;
    return at.value_or(kind == fault_kind::stall ? fault_point::body : fault_point::before);
}

milliseconds fault::time() const {
    if (kind == fault_kind::stall) return delay.value_or(std::chrono::minutes(10));
    return delay.value_or(kind == fault_kind::drip ? milliseconds(100) : seconds(1));
}

std::uint32_t fault::code() const { return error.value_or(kind == fault_kind::reset ? internal_error : 0); }

bool fault::lets_serve() const {
    switch (kind) {
    case fault_kind::garbage:
    case fault_kind::endless_header:
    case fault_kind::refuse_stream:
        return false;
    case fault_kind::close:
    case fault_kind::stall:
    case fault_kind::goaway:
    case fault_kind::reset:
        return point() != fault_point::before;
    default:
        return true;
    }
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

std::optional<fault> fault_list::take(std::string_view path, steady_time now, bool http2) {
    return take_if(path, now, [http2](fault_kind kind) { return !is_beside(kind) && (http2 || !is_http2_only(kind)); });
}

milliseconds fault_list::take_delay(std::string_view path, steady_time now) {
    const auto taken = take_if(path, now, [](fault_kind kind) { return kind == fault_kind::delay; });
    return taken ? taken->time() : milliseconds(0);
}

std::optional<std::uint32_t> fault_list::take_stream_limit(std::string_view path, steady_time now) {
    const auto taken = take_if(path, now, [](fault_kind kind) { return kind == fault_kind::max_streams; });
    if (!taken) return std::nullopt;
    return taken->streams;
}

std::optional<std::uint32_t> fault_list::stream_limit(steady_time now) const {
    for (auto at = faults_.rbegin(); at != faults_.rend(); ++at) {
        if (at->kind == fault_kind::max_streams && at->ends > now) return at->streams;
    }
    return std::nullopt;
}

bool fault_list::take_refusal(steady_time now) {
    return take_if("/widget/", now, [](fault_kind kind) { return kind == fault_kind::refuse; }).has_value();
}

} // namespace prooftrack::sandbox
