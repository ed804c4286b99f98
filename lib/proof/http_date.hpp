#pragma once

// The three date forms of HTTP (RFC 9110, 5.6.7) and Retry-After (10.2.3).

#include <optional>
#include <string_view>

#include "base/time.hpp"

namespace prooftrack::proof {

/// The shortest and the longest pause that a Retry-After can demand.
inline constexpr milliseconds least_retry_after = seconds(1);
inline constexpr milliseconds longest_poll_retry_after = std::chrono::minutes(15);

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT` (a year that seems more than 50 years ahead
/// of `now` is the last century's) or `Sun Nov  6 08:49:37 1994`; nullopt for anything else. The weekday must be one,
/// not the right one.
std::optional<wall_time> parse_http_date(std::string_view text, wall_time now);

/// Reads seconds or a date, the latter relative to the reply's own Date, without one to `now`. Clamped to
/// least_retry_after … `longest`; nullopt when the value is neither.
std::optional<milliseconds> parse_retry_after(
    std::string_view text, std::optional<wall_time> reply_date, wall_time now,
    milliseconds longest = longest_poll_retry_after);

} // namespace prooftrack::proof
