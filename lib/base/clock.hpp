#pragma once

// The interfaces to time: where the engine reads `now` and sets its alarm. Tests and the simulation put virtual time
// behind them.

#include "base/time.hpp"

namespace prooftrack {

/// Reads the clocks.
class clock_source {
  public:
    virtual ~clock_source() = default;
    virtual instant now() const = 0;
    /// CLOCK_BOOTTIME: also counts the time in which the machine slept.
    virtual steady_duration since_boot() const = 0;
};

/// One pending wake-up. Whoever makes it gives the handler; arming again replaces the earlier time.
class alarm {
  public:
    virtual ~alarm() = default;
    virtual void arm(steady_time when) = 0;
    virtual void disarm() = 0;
};

} // namespace prooftrack
