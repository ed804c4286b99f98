#pragma once

// What pause, resume, flush, dismiss and maintenance have done, as people read it. Pure.

#include <string>

#include "base/time.hpp"
#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// A sentence without LF, like those below.
std::string describe(const callback_control_command& what, const json_view& answer);
std::string describe(const dismiss_command& what, const json_view& answer);
/// `mark` is the operator's maintenance as it is now; null or missing = off.
std::string describe(const maintenance_command& what, const json_view& mark, const look& where, wall_time now);

} // namespace prooftrack::ctl
