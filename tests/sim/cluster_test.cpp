// Three daemons on one database, from seeds. PROOFTRACK_CLUSTER_FAULTS=10000 goes on until so many faults were made
// (from PROOFTRACK_FIRST_SEED on), PROOFTRACK_SEED=N runs one seed, PROOFTRACK_TRACE=1 prints its log. A failing seed
// is printed; PROOFTRACK_KEEP_GOING=1 goes on behind it.

#include <chrono>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/cluster_simulation.hpp"

namespace prooftrack::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::stoull(text);
}

TEST(ClusterSimulation, ThePromisesHoldOnSeveralNodes) {
    const std::uint64_t only = number_from("PROOFTRACK_SEED", 0);
    const std::uint64_t first = only != 0 ? only : number_from("PROOFTRACK_FIRST_SEED", 1);
    const std::uint64_t wanted = number_from("PROOFTRACK_CLUSTER_FAULTS", 600);
    const bool keeps_going = number_from("PROOFTRACK_KEEP_GOING", 0) != 0;
    const auto begin = std::chrono::steady_clock::now();
    cluster_result all;
    std::uint64_t episodes = 0;
    std::uint64_t broken_seeds = 0;
    for (std::uint64_t seed = first; only != 0 ? seed == only : all.all_faults() < wanted; ++seed) {
        const cluster_result one = run_cluster_simulation(seed);
        all.add(one);
        ++episodes;
        std::string broken;
        for (const std::string& promise : one.broken) broken += "\n  " + promise;
        if (one.broken.empty()) continue;
        ++broken_seeds;
        ADD_FAILURE() << "seed " << seed << broken << "\nagain: PROOFTRACK_SEED=" << seed
                      << " tests/test_sim --gtest_filter='ClusterSimulation.*' (with PROOFTRACK_TRACE=1: its log)";
        if (!keeps_going) break;
    }
    EXPECT_GT(all.polls, episodes) << "a simulation that polls nothing proves nothing";
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    fmt::print("{} episodes ({} broken): {}; {:.1f} s\n", episodes, broken_seeds, all.text(), took);
}

} // namespace
} // namespace prooftrack::sim
