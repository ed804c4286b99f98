#pragma once

// One episode of several daemons on one database from one seed: a phase with faults, then one in which all is calm.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace prooftrack::sim {

struct cluster_result {
    std::vector<std::string> broken; ///< promises, empty = all held
    std::array<std::uint64_t, 8> faults{};
    std::uint64_t transactions = 0;
    std::uint64_t calls = 0;
    std::uint64_t polls = 0;
    std::uint64_t events = 0;
    std::uint64_t attempts = 0;
    std::uint64_t takeovers = 0; ///< shards of lost nodes
    std::uint64_t fences = 0;
    std::uint64_t steps = 0;
    milliseconds longest_gap{0};        ///< between two polls of an id, with whatever faults
    milliseconds longest_single_gap{0}; ///< in episodes with one fault at a time

    void add(const cluster_result& other); ///< all but `broken`
    std::uint64_t all_faults() const;
    std::string text() const;
};

cluster_result run_cluster_simulation(std::uint64_t seed);

} // namespace prooftrack::sim
