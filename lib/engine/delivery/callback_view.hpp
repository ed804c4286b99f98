#pragma once

// What the API shows of a callback, and the interface through which deliveries are counted.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace prooftrack::engine {

/// A callback as status, heartbeat and metrics show it.
struct callback_view {
    enum class condition : std::uint8_t { ok, failing, paused, unconfigured };
    std::string name; ///< "callback_url" stands for all of its lanes
    condition state = condition::ok;
    std::uint64_t backlog = 0; ///< pending deliveries
    std::uint64_t dead = 0;
    std::uint64_t oldest_undelivered_seconds = 0; ///< age of the oldest pending one, 0 = none
    // While failing:
    std::optional<wall_time> failing_since; ///< its first failed attempt of the row
    std::string last_error;                 ///< of the attempt that failed last; "" = none since the start
    std::optional<wall_time> next_try_at;   ///< nullopt = it is being tried now, or nothing waits for a try
    std::optional<wall_time> paused_since;  ///< also of one that is not configured
};
std::string_view to_string(callback_view::condition state);

/// Counts and gauges of deliveries, joined to the metrics registry by the engine.
class delivery_metrics {
  public:
    virtual ~delivery_metrics() = default;
    /// An attempt's outcome is recorded. `result` is "delivered", "failed" or "dead".
    virtual void on_delivery(std::string_view callback, std::string_view result) = 0;
    /// The gauges of one callback, from `report`; one that vanished is reported once more with zeros.
    virtual void on_callback(const callback_view& view) = 0;
};

} // namespace prooftrack::engine
