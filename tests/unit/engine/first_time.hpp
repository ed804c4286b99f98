#pragma once

#include "base/time.hpp"

namespace prooftrack::engine {

/// Where the steady clock of these tests begins.
inline constexpr steady_time first_time{std::chrono::hours(3)};

} // namespace prooftrack::engine
