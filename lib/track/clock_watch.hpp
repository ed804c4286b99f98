#pragma once

// Detects that the machine slept or that its clock was set.

#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

struct clock_step {
    milliseconds slept{0};  ///< boot time passed, steady time did not
    milliseconds set_by{0}; ///< the wall clock was put forward (or back) by so much: no time has passed
};

/// Compares steady, boot and wall time from look to look. What is within the tolerance is drift.
class clock_watch {
  public:
    static constexpr milliseconds tolerance{2'000};

    /// The step since the last look; nullopt for none, and for the first look.
    std::optional<clock_step> look(instant now, steady_duration since_boot);

  private:
    struct reading {
        instant now;
        steady_duration since_boot{};
    };
    std::optional<reading> last_;
};

} // namespace prooftrack::track
