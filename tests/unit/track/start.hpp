#pragma once

#include "base/time.hpp"

namespace prooftrack::track {

/// Where the steady clock of these tests begins.
inline constexpr steady_time start{std::chrono::hours(1)};

} // namespace prooftrack::track
