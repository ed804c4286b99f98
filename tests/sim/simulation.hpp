#pragma once

// One run of the whole engine from one seed: a safety phase with faults and crashes, then a liveness phase without.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "sim/swarm.hpp"

namespace prooftrack::sim {

struct simulation_result {
    std::vector<std::string> broken; ///< promises, empty = all held
    swarm_figures figures;
    std::uint64_t transactions = 0;
    std::uint64_t polls = 0;
    std::uint64_t bands = 0; ///< gaps between two polls that were held against poll.interval
    std::uint64_t faults = 0;
    std::uint64_t crashes = 0;
    std::uint64_t restarts = 0;
    std::uint64_t reloads = 0;
    std::uint64_t jumps = 0;
    std::uint64_t events = 0;
    std::uint64_t attempts = 0;
    steady_duration virtual_time{};

    void add(const simulation_result& other); ///< all but `broken`
};

simulation_result run_simulation(std::uint64_t seed);

} // namespace prooftrack::sim
