#pragma once

// How a transaction's own callback_url stands among the configured callbacks.

#include <string_view>

namespace prooftrack {

/// The one name under which configuration, lists, metrics and deliveries show all callback_urls. No configured callback
/// may have it.
inline constexpr std::string_view own_url_callback = "callback_url";

/// Most bytes of a callback_url.
inline constexpr std::size_t max_own_url_bytes = 2048;

/// Whether a lane is a callback_url's `scheme://host:port` (`format_lane`) rather than a configured callback's name.
constexpr bool is_own_url_lane(std::string_view lane) { return lane.find("://") != std::string_view::npos; }

/// The callback that a lane is shown under.
constexpr std::string_view callback_of_lane(std::string_view lane) {
    return is_own_url_lane(lane) ? own_url_callback : lane;
}

} // namespace prooftrack
