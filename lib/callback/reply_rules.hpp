#pragma once

// What a receiver's reply means for the delivery. Pure.

#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "callback/notifier.hpp"
#include "net/reply_reader.hpp"

namespace prooftrack::callback {

/// Most bytes of a receiver's answer that are kept.
inline constexpr std::size_t kept_reply_bytes = 1024;

/// Seconds, or any of HTTP's three date forms relative to the reply's own `Date` (to `now` when that is missing); never
/// negative, at most 30 days. nullopt for anything else.
std::optional<milliseconds> read_retry_after(
    std::string_view value, std::optional<std::string_view> date, wall_time now);

/// 2xx is delivered, 410 gone, all else failed. Retry-After is read whenever it was not delivered: with which status it
/// counts is decided in track (delivery_policy). `took` is left to the caller.
delivery_outcome judge_reply(const net::http_reply& reply, wall_time now);

} // namespace prooftrack::callback
