#pragma once

// The answer of GET /v1/status as people see it. Pure.

#include <string>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// The lines of `status`, each ending in LF; `callbacks` rows at most, 0 = all.
std::string format_status(const json_view& status, const look& where, wall_time now, std::size_t callbacks = 0);

} // namespace prooftrack::ctl
