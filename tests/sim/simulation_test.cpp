// The whole engine from seeds. PROOFTRACK_SEEDS=100000 runs more (from PROOFTRACK_FIRST_SEED on), PROOFTRACK_SEED=N
// one, PROOFTRACK_TRACE=1 with its log. A failing seed is printed; PROOFTRACK_KEEP_GOING=1 goes on behind it.

#include <chrono>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/simulation.hpp"

namespace prooftrack::sim {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::stoull(text);
}

TEST(Simulation, ThePromisesHoldThroughFaultsAndCrashes) {
    const std::uint64_t only = number_from("PROOFTRACK_SEED", 0);
    const std::uint64_t first = only != 0 ? only : number_from("PROOFTRACK_FIRST_SEED", 1);
    const std::uint64_t count = only != 0 ? 1 : number_from("PROOFTRACK_SEEDS", 500);
    const bool keeps_going = number_from("PROOFTRACK_KEEP_GOING", 0) != 0;
    const auto begin = std::chrono::steady_clock::now();
    simulation_result all;
    std::uint64_t broken_seeds = 0;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const simulation_result one = run_simulation(seed);
        all.add(one);
        std::string broken;
        for (const std::string& promise : one.broken) broken += "\n  " + promise;
        if (one.broken.empty()) continue;
        ++broken_seeds;
        ADD_FAILURE() << "seed " << seed << broken << "\nagain: PROOFTRACK_SEED=" << seed
                      << " tests/test_sim --gtest_filter='Simulation.*' (with PROOFTRACK_TRACE=1: its log)";
        if (!keeps_going) break;
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double simulated = std::chrono::duration<double>(all.virtual_time).count();
    if (only == 0) {
        EXPECT_GT(all.polls, count) << "a simulation that polls nothing proves nothing";
        fmt::print("{}", all.figures.table());
    }
    fmt::print(
        "{} seeds ({} broken): {} transactions, {} polls, {} gaps held against the band, {} faults, {} crashes, "
        "{} restarts, {} reloads, {} jumps of the clock, {} events, {} delivery attempts; {:.3f} years of virtual "
        "time in {:.1f} s (x {:.0f})\n",
        count, broken_seeds, all.transactions, all.polls, all.bands, all.faults, all.crashes, all.restarts, all.reloads,
        all.jumps, all.events, all.attempts, simulated / 31'557'600.0, took, simulated / took);
}

} // namespace
} // namespace prooftrack::sim
