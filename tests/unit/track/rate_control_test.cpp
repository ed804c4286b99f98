#include "track/rate_control.hpp"

#include <cmath>
#include <utility>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

constexpr double grain = 1e-9;

/// With a backlog that never ends, so that the slow start does not end either.
double grown(double from, double threshold, steady_duration after, double demand = 1e6) {
    rate_control rate;
    const steady_time begin(100s);
    rate.begin_slow_start(begin, from, threshold);
    rate.grow(begin + after, demand, true);
    return *rate.rate();
}

int taken_at_once(rate_control& rate, steady_time now) {
    int taken = 0;
    for (; rate.may_take(now) && taken < 10'000; ++taken) rate.take(now);
    return taken;
}

TEST(RateControl, DoublesEachSecondUpToTheThreshold) {
    EXPECT_NEAR(grown(8, 1'000, 0s), 8, grain);
    EXPECT_NEAR(grown(8, 1'000, 99ms), 8, grain) << "in steps of a tenth";
    EXPECT_NEAR(grown(8, 1'000, 500ms), 8 * std::sqrt(2.0), grain);
    EXPECT_NEAR(grown(8, 1'000, 1s), 16, grain);
    EXPECT_NEAR(grown(8, 1'000, 2s), 32, grain);
    EXPECT_NEAR(grown(8, 9, 200ms), 9, grain) << "no further in one step";
    EXPECT_NEAR(grown(0, 0, 0s), 1, grain) << "at least one a second";
}

TEST(RateControl, GrowsByAFifthOfTheThresholdASecondFromThere) {
    EXPECT_NEAR(grown(10, 10, 100ms), 10.2, grain);
    EXPECT_NEAR(grown(8, 10, 1s), 11.2, grain) << "four steps to the threshold, six beyond";
    EXPECT_NEAR(grown(1, 1, 1s), 2, grain) << "at least by one a second";
    EXPECT_NEAR(grown(1, 1, 500ms), 1.5, grain);
    EXPECT_NEAR(grown(0.1, 0.1, 1s), 2, grain);
}

TEST(RateControl, GrowsNoFurtherThanOneAndAHalfTimesTheDemand) {
    EXPECT_NEAR(grown(8, 10, 1s, 6), 9, grain);
    EXPECT_NEAR(grown(8, 10, 1s, 0), 1, grain) << "but to one a second";
    rate_control rate;
    const steady_time begin(100s);
    rate.begin_slow_start(begin, 8, 10);
    rate.grow(begin + 250ms, 6, true);
    rate.grow(begin + 349ms, 600, true);
    EXPECT_NEAR(*rate.rate(), 9, grain) << "where it is held, the next step begins anew";
    rate.grow(begin + 350ms, 600, true);
    EXPECT_NEAR(*rate.rate(), 9 * std::exp2(0.1), grain);
}

TEST(RateControl, TimeInWhichNobodyLookedIsOneStep) {
    EXPECT_NEAR(grown(8, 1'000, 2'001ms), 8 * std::exp2(0.1), grain);
    EXPECT_NEAR(grown(8, 1'000, 1h), 8 * std::exp2(0.1), grain);
    rate_control rate;
    const steady_time begin(100s);
    rate.begin_slow_start(begin + 7s, 8, 1'000); // at the end of a pause
    rate.grow(begin + 1s, 1'000, true);
    EXPECT_NEAR(*rate.rate(), 8, grain);
}

TEST(RateControl, TheSlowStartEndsWhenTheDemandIsMetAndTheBacklogGone) {
    rate_control rate;
    const steady_time begin(100s);
    EXPECT_FALSE(rate.grow(begin, 0, false)) << "none under way";
    rate.begin_slow_start(begin, 8, 1'000);
    EXPECT_FALSE(rate.grow(begin, 8.1, false));
    EXPECT_FALSE(rate.grow(begin, 8, true));
    EXPECT_TRUE(rate.is_ramping());
    EXPECT_TRUE(rate.grow(begin, 8, false));
    EXPECT_FALSE(rate.is_ramping());
    EXPECT_EQ(rate.rate(), std::nullopt);
    rate.begin_slow_start(begin, 1, 1);
    EXPECT_TRUE(rate.grow(begin, 0, false)) << "at one a second";
}

TEST(RateControl, TheLowerOfCeilingAndSlowStartHolds) {
    rate_control rate;
    EXPECT_EQ(rate.rate(), std::nullopt);
    EXPECT_EQ(taken_at_once(rate, steady_time(1s)), 10'000);
    rate.set_ceiling(10);
    EXPECT_EQ(rate.rate(), 10);
    rate.begin_slow_start(steady_time(1s), 8, 100);
    EXPECT_EQ(rate.rate(), 8);
    rate.begin_slow_start(steady_time(1s), 80, 100);
    EXPECT_EQ(rate.rate(), 10);
    rate.set_ceiling(0);
    EXPECT_EQ(rate.rate(), 80);
}

TEST(RateControl, TheBucketHoldsTwentyMillisecondsAndAtLeastOne) {
    for (const auto& [ceiling, bucket] :
         {std::pair(1U, 1), std::pair(99U, 1), std::pair(100U, 2), std::pair(1'000U, 20)}) {
        rate_control rate;
        rate.set_ceiling(ceiling);
        steady_time now(100s);
        EXPECT_EQ(taken_at_once(rate, now), bucket) << ceiling;
        now += 1h;
        EXPECT_EQ(taken_at_once(rate, now), bucket) << ceiling << ": a quiet hour saves nothing up";
    }
}

TEST(RateControl, TheNextTokenComesAfterOneIntervalOfTheRate) {
    rate_control rate;
    rate.set_ceiling(10);
    const steady_time now(100s);
    EXPECT_EQ(rate.next_token(now), now);
    rate.take(now);
    const steady_time next = rate.next_token(now);
    EXPECT_GE(next, now + 100ms);
    EXPECT_LE(next, now + 100ms + 1us);
    EXPECT_FALSE(rate.may_take(now + 99ms));
    EXPECT_TRUE(rate.may_take(next + 1us));
    rate.take(next + 1us);
    EXPECT_FALSE(rate.may_take(now)) << "a look back gives nothing";
    EXPECT_FALSE(rate.may_take(next + 99ms));
    EXPECT_TRUE(rate.may_take(next + 102ms));
}

TEST(RateControl, TheTimeBeforeAStepGivesTokensByTheRateBefore) {
    rate_control rate;
    const steady_time now(100s);
    rate.begin_slow_start(now, 8, 1'000);
    rate.take(now);
    rate.grow(now + 100ms, 1'000, true); // 0.8 of a token until here, and 8.57 a second from here
    EXPECT_GE(rate.next_token(now + 100ms), now + 123ms);
    EXPECT_LE(rate.next_token(now + 100ms), now + 124ms);
}

TEST(RateControl, ASlowStartBeginsWithOneToken) {
    rate_control rate;
    rate.set_ceiling(1'000);
    const steady_time now(100s);
    rate.begin_slow_start(now, 100, 200);
    EXPECT_EQ(taken_at_once(rate, now), 1);
    EXPECT_FALSE(rate.may_take(now + 9ms));
    EXPECT_TRUE(rate.may_take(now + 11ms)) << "by its own rate";
}

TEST(RateControl, WhatWasTakenWithoutALimitIsNotDue) {
    rate_control rate;
    const steady_time now(100s);
    EXPECT_EQ(taken_at_once(rate, now), 10'000);
    EXPECT_EQ(rate.next_token(now), now);
    rate.set_ceiling(10);
    EXPECT_EQ(taken_at_once(rate, now), 1);
}

} // namespace
} // namespace prooftrack::track
