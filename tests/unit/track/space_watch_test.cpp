#include "track/space_watch.hpp"

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using change = space_watch::change;
constexpr std::uint64_t mib = std::uint64_t{1} << 20U;
constexpr std::uint64_t gib = std::uint64_t{1} << 30U;

TEST(SpaceWatch, TheLimitIsAGibibyteOrATwentieth) {
    EXPECT_EQ(space_watch::limit(2'000 * gib), gib);
    EXPECT_EQ(space_watch::limit(20 * gib), gib);
    EXPECT_EQ(space_watch::limit(10 * gib), gib / 2);
    EXPECT_EQ(space_watch::limit(20 * mib), mib);
}

TEST(SpaceWatch, IsReportedOnceBelowTheLimitAndOnceWellAboveIt) {
    space_watch watch;
    EXPECT_EQ(watch.look(gib, 20 * gib), change::none);
    EXPECT_EQ(watch.look(gib - 1, 20 * gib), change::nearly_full);
    // Around the limit nothing more is said.
    for (const std::uint64_t free : {gib, gib - 1, std::uint64_t{0}, gib + gib / 4 - 1, gib - 1})
        EXPECT_EQ(watch.look(free, 20 * gib), change::none) << free;
    EXPECT_EQ(watch.look(gib + gib / 4, 20 * gib), change::has_space);
    EXPECT_EQ(watch.look(gib + gib / 4, 20 * gib), change::none);
    EXPECT_EQ(watch.look(gib, 20 * gib), change::none);
    EXPECT_EQ(watch.look(gib - 1, 20 * gib), change::nearly_full);
}

TEST(SpaceWatch, WhatCannotBeMeasuredChangesNothing) {
    space_watch watch;
    EXPECT_EQ(watch.look(0, 0), change::none);
    EXPECT_EQ(watch.look(0, gib), change::nearly_full);
    EXPECT_EQ(watch.look(5 * gib, 0), change::none);
    EXPECT_EQ(watch.look(gib, gib), change::has_space);
}

} // namespace
} // namespace prooftrack::track
