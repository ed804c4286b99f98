#pragma once

// What the parts of cluster_duties work with.

#include <functional>

#include "base/clock.hpp"
#include "config/config.hpp"
#include "engine/meters.hpp"
#include "engine/shard_work.hpp"
#include "observe/log.hpp"
#include "store/cluster.hpp"

namespace prooftrack::engine {

/// All of it must outlive them.
struct cluster_context {
    const clock_source& clock;
    observe::event_log& log;
    meters& counts;
    store::cluster_store* cluster; ///< nullptr = alone: no part is called
    shard_work& work;
    const config::configuration& config; ///< in force
    std::function<void()> wake_changed;  ///< runs when a `next_wake` has become earlier outside of `on_wake`
};

} // namespace prooftrack::engine
