#pragma once

// Proof's `Date` against our clock: more than 30 s apart for a minute is reported, once.

#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

/// Feeds on the Date of each reply.
class clock_skew {
  public:
    static constexpr milliseconds tolerance{30'000};
    static constexpr milliseconds patience{60'000};

    /// The skew to report (Proof's clock minus ours) when it has just lasted for a minute; reported once until it was
    /// gone.
    std::optional<milliseconds> on_date(wall_time server_date, instant now);
    /// The latest reading.
    milliseconds latest() const { return latest_; }

  private:
    milliseconds latest_{0};
    std::optional<steady_time> off_since_;
    bool is_reported_ = false;
};

} // namespace prooftrack::track
