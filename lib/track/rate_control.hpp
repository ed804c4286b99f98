#pragma once

// How many polls a second may start: the configured ceiling, and after a pause or an outage a slow start with additive
// increase.

#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

/// A token bucket whose rate grows by itself: doubled each second up to a threshold, then a fifth of the threshold
/// more a second, until the demand is met and the backlog gone; then only the ceiling holds. The bucket holds at most
/// 20 ms of the rate (at least one token).
class rate_control {
  public:
    /// Polls a second; 0 = no ceiling.
    void set_ceiling(std::uint32_t polls_per_second);

    /// Begins (again) at `from`, doubling up to `threshold` (polls a second, at least 1 each).
    void begin_slow_start(steady_time now, double from, double threshold);

    /// Lets the rate grow. `demand` is what all cadences together want; returns true when the slow start has just
    /// ended.
    bool grow(steady_time now, double demand, bool has_backlog);

    bool is_ramping() const { return ramp_rate_ > 0; }
    /// The rate in force; nullopt = no limit.
    std::optional<double> rate() const;

    bool may_take(steady_time now);
    void take(steady_time now);
    /// When the next token is there; `now` if it is there already.
    steady_time next_token(steady_time now);

  private:
    void refill(steady_time now);

    double ceiling_ = 0;
    double ramp_rate_ = 0; ///< 0 = no slow start under way
    double threshold_ = 0;
    double tokens_ = 1;
    steady_time grown_at_{};
    steady_time refilled_at_{};
};

} // namespace prooftrack::track
