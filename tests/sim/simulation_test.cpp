// The whole engine from seeds. PROOFTRACK_SEEDS=100000 runs more, PROOFTRACK_SEED=N one; a failing seed is printed.

#include <chrono>
#include <cstdlib>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "sim/simulation.hpp"

namespace prooftrack {
namespace {

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::stoull(text);
}

TEST(Simulation, ThePromisesHoldThroughFaultsAndCrashes) {
    const std::uint64_t only = number_from("PROOFTRACK_SEED", 0);
    const std::uint64_t first = only != 0 ? only : number_from("PROOFTRACK_FIRST_SEED", 1);
    const std::uint64_t count = only != 0 ? 1 : number_from("PROOFTRACK_SEEDS", 500);
    const auto begin = std::chrono::steady_clock::now();
    simulation_result all;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        const simulation_result one = run_simulation(seed);
        all.transactions += one.transactions;
        all.polls += one.polls;
        all.faults += one.faults;
        all.crashes += one.crashes;
        all.events += one.events;
        all.attempts += one.attempts;
        all.virtual_time += one.virtual_time;
        std::string broken;
        for (const std::string& promise : one.broken) broken += "\n  " + promise;
        ASSERT_TRUE(one.broken.empty()) << "seed " << seed << broken << "\nagain: PROOFTRACK_SEED=" << seed
                                        << " tests/test_sim --gtest_filter='Simulation.*'";
    }
    const double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    const double simulated = std::chrono::duration<double>(all.virtual_time).count();
    EXPECT_GT(all.polls, count) << "a simulation that polls nothing proves nothing";
    fmt::print("{} seeds: {} transactions, {} polls, {} faults, {} crashes, {} events, {} delivery attempts; {:.3f} "
               "years of virtual "
               "time in {:.1f} s (x {:.0f})\n",
               count, all.transactions, all.polls, all.faults, all.crashes, all.events, all.attempts,
               simulated / 31'557'600.0, took, simulated / took);
}

} // namespace
} // namespace prooftrack
