#pragma once

#include "base/time.hpp"

namespace prooftrack::ctl {

/// What these tests take for the time.
inline const wall_time now = *parse_wall_time("2026-04-01T10:00:00Z");

} // namespace prooftrack::ctl
