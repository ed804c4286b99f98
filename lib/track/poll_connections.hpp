#pragma once

// When connections to Proof are opened and how polls are spread over those that carry many. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

/// How many requests one connection of HTTP/2 takes while others have room: 4 are used before one is filled with 100,
/// because a lost packet stalls all streams of its connection, and none takes fewer than 25.
std::size_t streams_share(std::size_t in_flight);
inline constexpr std::size_t connections_of_a_spread = 4;
inline constexpr std::size_t most_streams = 100;

/// nginx ends a connection of HTTP/2 after 1,000 requests.
inline constexpr std::uint32_t most_requests_of_http2 = 950;

/// A connection of HTTP/2 that is used.
struct connection_use {
    std::uint32_t sent = 0;     ///< requests
    std::uint32_t left = 0;     ///< requests that it may still be sent
    steady_duration opening{};  ///< so long it took from the lookup until it was open
    steady_duration open_for{}; ///< since then
    steady_duration time_left{};
};

/// A successor that is opened now is ready just in time: half as long again as opening this one took before its last
/// request at its mean pace, 150 requests at the least and half of them all at the most. Or five seconds before it is
/// too old.
bool is_near_end(const connection_use& use);

/// The others, which carry `streams_of_others`, are too few for the polls that have to be in flight, with a quarter of
/// these as a reserve, or fewer than a spread takes. Otherwise the connection ends without a successor: what a burst
/// has opened goes again.
bool is_successor_needed(std::size_t others, std::size_t streams_of_others, std::size_t at_once);

/// When the next connection is tried after some that could not be made: 5 ms, doubling, at most 100 ms. `proof_health`
/// decides how long to be quiet, this only keeps the loop from spinning. `failures` in a row, at least 1.
milliseconds connect_delay(std::uint32_t failures);
inline constexpr milliseconds longest_connect_delay{100};

/// A server that replied in the last 3 s is given 5 + 10 + 20 + 40 ms before a connection that cannot be made is an
/// error of the polls that wait: it may be restarted. `missed` since the last that could be made.
bool may_be_restart(std::uint32_t missed, std::optional<steady_time> last_reply, steady_time now);

} // namespace prooftrack::track
