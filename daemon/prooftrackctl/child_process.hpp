#pragma once

// Another program, run to its end or to a deadline.

#include <string>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/stop_signal.hpp"

namespace prooftrack::ctl {

struct child_result {
    bool has_started = false;
    bool has_ended = false; ///< else the deadline came first, and it was killed
    int exit_status = 0;    ///< 128 + the signal that ended it
    std::string output;     ///< of stdout and stderr, at most 64 KiB
};

/// Runs `arguments[0]` (a path) with this environment and `extra` in it; its input is empty. Throws stop_requested on
/// a signal; whatever happens, no child is left behind.
child_result run_child(
    const std::vector<std::string>& arguments, const std::vector<std::pair<std::string, std::string>>& extra,
    milliseconds patience, const stop_signal& stop);

} // namespace prooftrack::ctl
