#pragma once

// The commands that work on a database in place of running on it: --copy-store, --unmark-moved, --new-log-id.

#include "prooftrackd/options.hpp"

namespace prooftrack::daemon {

/// Runs the one that the options name, and prints what came of it. The exit status.
int run_store_command(const daemon_options& options);

} // namespace prooftrack::daemon
