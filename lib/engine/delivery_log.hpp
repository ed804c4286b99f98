#pragma once

// The log lines of deliveries. Never a URL, a body or a command's output.

#include "base/time.hpp"
#include "engine/delivery_attempts.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"

namespace prooftrack {

void log_delivered(event_log& log, const delivery_attempt& one);
/// `behind`: how many later events of the transaction wait for this one.
void log_failed(event_log& log, const delivery_attempt& one, std::uint64_t behind);
void log_dead(event_log& log, const delivery_attempt& one);
void log_failing(event_log& log, const delivery_slot& place);
void log_recovered(event_log& log, const delivery_slot& place);
void log_unconfigured(event_log& log, const lane_summary& summary);

} // namespace prooftrack
