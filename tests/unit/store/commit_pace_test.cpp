#include <gtest/gtest.h>

#include "store/commit_pace.hpp"

namespace prooftrack::store {
namespace {

constexpr steady_time noon{std::chrono::hours(12)};

TEST(CommitPace, AChangeAfterAQuietMomentIsCommittedAtOnce) {
    commit_pace pace(1000);
    EXPECT_LE(pace.due(), noon) << "the first one";
    pace.on_begin(noon);
    EXPECT_EQ(pace.due(), noon + milliseconds(5)) << "whoever comes sooner waits for company";
}

TEST(CommitPace, WhatSomebodyWaitsForTakesAllAlongAtOnce) {
    const commit_pace pace(1000);
    queued_work queued;
    queued.add(4, true);
    EXPECT_FALSE(pace.is_ready(queued));
    queued.add(1, false);
    EXPECT_TRUE(pace.is_ready(queued));
    queued.remove(1, false);
    EXPECT_FALSE(pace.is_ready(queued));
}

TEST(CommitPace, AFullBatchWaitsForNobody) {
    const commit_pace pace(1000);
    queued_work queued;
    for (int i = 0; i < 249; ++i) queued.add(4, true);
    EXPECT_FALSE(pace.is_ready(queued));
    queued.add(4, true);
    EXPECT_TRUE(pace.is_ready(queued));
}

} // namespace
} // namespace prooftrack::store
