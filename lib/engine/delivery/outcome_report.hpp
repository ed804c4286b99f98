#pragma once

// Counts and logs an attempt's outcome once it is durable.

#include "engine/delivery/delivery_attempts.hpp"

namespace prooftrack::engine {

/// A failed one is logged with the number of events that wait behind it, which is read from the store while the daemon
/// is `running`.
void report_outcome(const delivery_dependencies& deps, const delivery_attempt& one, bool running);

} // namespace prooftrack::engine
