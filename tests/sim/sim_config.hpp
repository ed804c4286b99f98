#pragma once

// The configurations of a run: the one it begins with, and what reloads make of it.

#include "base/random.hpp"
#include "config/config.hpp"
#include "sim/swarm.hpp"

namespace prooftrack::sim {

config::configuration draw_configuration(const swarm_profile& profile, random_source& random);

/// What a reload of this kind makes of `config`. Requires one of the kinds `reload_…` but the token's.
config::configuration draw_reload(config::configuration config, action_kind kind, random_source& random);

/// Every callback that ever had a name is there again, and what is open is given up some time.
config::configuration final_configuration(config::configuration config);

} // namespace prooftrack::sim
