#include <gtest/gtest.h>

#include "store/prune_pace.hpp"

namespace prooftrack::store {
namespace {

steady_duration after(prune_pace& pace, milliseconds took) {
    pace.on_batch();
    pace.on_commit(took);
    return pace.budget();
}

TEST(PrunePace, HalvesAfterASlowCommitAndGrowsSlowlyAfterFastOnes) {
    prune_pace pace;
    EXPECT_EQ(pace.budget(), milliseconds(4));
    EXPECT_EQ(after(pace, milliseconds(21)), milliseconds(2));
    EXPECT_EQ(after(pace, milliseconds(15)), milliseconds(2)); // as it should be
    EXPECT_EQ(after(pace, milliseconds(9)), std::chrono::microseconds(2500));
}

TEST(PrunePace, StaysWithinItsBounds) {
    prune_pace pace;
    for (int i = 0; i < 20; ++i) after(pace, milliseconds(500));
    EXPECT_EQ(pace.budget(), milliseconds(1));
    for (int i = 0; i < 50; ++i) after(pace, milliseconds(1));
    EXPECT_EQ(pace.budget(), milliseconds(15));
}

TEST(PrunePace, TheCommitsOfOthersShowNothing) {
    prune_pace pace;
    pace.on_commit(milliseconds(500));
    EXPECT_EQ(pace.budget(), milliseconds(4));
    after(pace, milliseconds(15));
    pace.on_commit(milliseconds(500));
    EXPECT_EQ(pace.budget(), milliseconds(4));
}

} // namespace
} // namespace prooftrack::store
