#include "track/poll_connections.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

constexpr std::size_t least_share = 25;
constexpr std::uint32_t least_requests_left = 150;
constexpr seconds least_time_left{5};
constexpr milliseconds first_delay{5};
constexpr std::uint32_t tries_of_a_moment = 4;
constexpr seconds moment{3};

} // namespace

std::size_t streams_share(std::size_t in_flight) {
    return std::clamp(in_flight / connections_of_a_spread + 1, least_share, most_streams);
}

bool is_near_end(const connection_use& use) {
    if (use.time_left <= least_time_left) return true;
    if (use.left <= least_requests_left) return true;
    if (use.left > (use.sent + use.left) / 2) return false;
    const auto seconds_of = [](steady_duration what) { return std::chrono::duration<double>(what).count(); };
    // left / (sent / open_for) <= 1.5 opening, without a division by nothing
    return use.left * seconds_of(use.open_for) <= 1.5 * use.sent * seconds_of(use.opening);
}

bool is_successor_needed(std::size_t others, std::size_t streams_of_others, std::size_t at_once) {
    return others < connections_of_a_spread || streams_of_others < at_once + at_once / 4;
}

milliseconds connect_delay(std::uint32_t failures) {
    const std::uint32_t doublings = std::min<std::uint32_t>(failures, 9) - 1;
    return std::min(first_delay * (1U << doublings), longest_connect_delay);
}

bool may_be_restart(std::uint32_t missed, std::optional<steady_time> last_reply, steady_time now) {
    return missed <= tries_of_a_moment && last_reply && now - *last_reply < moment;
}

} // namespace prooftrack::track
