#pragma once

// The body of GET /v1/status. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/delivery/delivery_driver.hpp"
#include "engine/secret_view.hpp"
#include "store/cluster.hpp"
#include "store/store.hpp"
#include "track/tracker.hpp"

namespace prooftrack::engine {

/// Whether the configuration file is the one in force.
struct config_standing {
    wall_time since{};   ///< the last reload, or the start
    std::string refusal; ///< why the last reload was refused, "" = it was not
};

/// The process itself, for who has to look at it from outside.
struct process_facts {
    std::int64_t pid = 0;
    std::string config_file; ///< absolute; "" = not known
};

struct status_facts {
    std::string_view version;
    steady_duration uptime{};
    const store::store_status& stored;
    const track::tracker& core;
    steady_duration lag_p99{};
    instant now;
    const std::vector<callback_view>& callbacks;
    const std::vector<track::consumer_view>& consumers;
    const config_standing& config;
    const std::vector<secret_view>& secrets;
    std::string_view protocol; ///< of the newest connection to Proof, "" = none yet
    const process_facts& process;
    const store::cluster_view* cluster = nullptr; ///< nullptr = none, or nothing is known of it yet
};

/// One of `callbacks` in it.
std::string format_callback(const callback_view& view);

std::string format_status(const status_facts& facts);

} // namespace prooftrack::engine
