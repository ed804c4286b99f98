#include "track/clock_watch.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack::track {
namespace {

milliseconds beyond_tolerance(milliseconds off) {
    return off > clock_watch::tolerance || off < -clock_watch::tolerance ? off : milliseconds(0);
}

} // namespace

std::optional<clock_step> clock_watch::look(instant now, steady_duration since_boot) {
    const auto last = std::exchange(last_, reading{now, since_boot});
    if (!last) return std::nullopt;
    const steady_duration steady_passed = now.steady - last->now.steady;
    // Boot time is steady time and the sleep.
    const steady_duration passed = std::max(steady_passed, since_boot - last->since_boot);
    clock_step step;
    step.slept = beyond_tolerance(std::chrono::duration_cast<milliseconds>(passed - steady_passed));
    step.set_by = beyond_tolerance(std::chrono::duration_cast<milliseconds>(now.wall - last->now.wall - passed));
    if (step.slept == milliseconds(0) && step.set_by == milliseconds(0)) return std::nullopt;
    return step;
}

} // namespace prooftrack::track
