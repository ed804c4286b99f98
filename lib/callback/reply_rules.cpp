#include "callback/reply_rules.hpp"

#include <algorithm>
#include <ctime>
#include <string>

#include <fmt/format.h>

namespace prooftrack::callback {
namespace {

constexpr milliseconds longest_readable_retry_after = std::chrono::days(30);

std::string_view trim_blanks(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::optional<seconds> read_seconds(std::string_view text) {
    if (text.empty()) return std::nullopt;
    constexpr std::int64_t plenty = 1'000'000'000;
    std::int64_t value = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return std::nullopt;
        value = std::min(value * 10 + (c - '0'), plenty);
    }
    return seconds(value);
}

/// RFC 9110, 5.6.7. The process stays in the C locale, so strptime reads English names.
std::optional<wall_time> read_date(std::string_view value) {
    const std::string text(trim_blanks(value));
    for (const char* form : {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"}) {
        std::tm parts{};
        const char* end = ::strptime(text.c_str(), form, &parts);
        if (end == nullptr || *end != '\0') continue;
        return wall_time(seconds(::timegm(&parts)));
    }
    return std::nullopt;
}

} // namespace

std::optional<milliseconds> read_retry_after(
    std::string_view value, std::optional<std::string_view> date, wall_time now) {
    std::optional<milliseconds> wait = read_seconds(trim_blanks(value));
    if (!wait) {
        const auto when = read_date(value);
        if (!when) return std::nullopt;
        wait = *when - (date ? read_date(*date) : std::nullopt).value_or(now);
    }
    return std::clamp(*wait, milliseconds(0), longest_readable_retry_after);
}

delivery_outcome judge_reply(const net::http_reply& reply, wall_time now) {
    delivery_outcome outcome;
    outcome.status = reply.status;
    outcome.reply = reply.body.substr(0, kept_reply_bytes);
    if (reply.status >= 200 && reply.status < 300) {
        outcome.what = delivery_outcome::verdict::delivered;
        return outcome;
    }
    outcome.error = fmt::format("HTTP {}", reply.status);
    if (reply.status == 410) outcome.what = delivery_outcome::verdict::gone;
    if (reply.status >= 300 && reply.status < 400) outcome.error += " (redirects are not followed)";
    if (const auto value = reply.header("Retry-After"))
        outcome.retry_after = read_retry_after(*value, reply.header("Date"), now);
    return outcome;
}

} // namespace prooftrack::callback
