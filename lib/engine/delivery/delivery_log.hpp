#pragma once

// The log lines of deliveries. Never a URL, a body or a command's output.

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/time.hpp"
#include "engine/delivery/delivery_attempts.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

void log_delivered(observe::event_log& log, const delivery_attempt& one);
/// `behind`: how many later events of the transaction wait for this one.
void log_failed(observe::event_log& log, const delivery_attempt& one, std::uint64_t behind);
void log_dead(observe::event_log& log, const delivery_attempt& one);
void log_failing(observe::event_log& log, const delivery_slot& place);
void log_recovered(observe::event_log& log, const delivery_slot& place);
/// `backlog`: what it is owed; nullopt = not known.
void log_paused(
    observe::event_log& log, std::string_view callback, wall_time since, std::optional<std::uint64_t> backlog);
void log_resumed(observe::event_log& log, std::string_view callback, wall_time since);
void log_unconfigured(observe::event_log& log, const store::lane_summary& summary);

} // namespace prooftrack::engine
