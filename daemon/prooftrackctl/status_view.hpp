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

/// An operator's maintenance (null or missing = off), a line without LF.
std::string maintenance_line(const json_view& mark, const look& where, wall_time now);

/// Why `status --check` is not content; empty = it is. `ready` is the body of GET /readyz. Maintenance is no reason:
/// somebody wants it so.
std::vector<std::string> reasons_against(const json_view& ready, const json_view& status);

} // namespace prooftrack::ctl
