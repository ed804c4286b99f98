#include "track/polls_at_once.hpp"

#include <gtest/gtest.h>

#include "start.hpp"

namespace prooftrack::track {
namespace {

polls_at_once after_replies_of(milliseconds took) {
    polls_at_once need;
    for (int i = 0; i < 10; ++i) need.add(took, start);
    return need;
}

TEST(PollsAtOnce, AreTheRateTimesTheReplyTimeAndRoomForChance) {
    // 50,000 ids, one poll in 7.5 s each, and a Proof that is 100 ms away.
    EXPECT_EQ(after_replies_of(milliseconds(100)).needed(50'000 / 7.5, false, start), 719U + 8);
    EXPECT_EQ(after_replies_of(milliseconds(1)).needed(50'000 / 7.5, false, start), 12U + 8);
    EXPECT_EQ(after_replies_of(milliseconds(100)).needed(0, false, start), 8U);
    EXPECT_EQ(after_replies_of(milliseconds(0)).needed(1'000, false, start), 8U);
}

TEST(PollsAtOnce, BeforeTheFirstReplyATenthOfASecondIsAssumed) {
    polls_at_once need;
    EXPECT_EQ(need.needed(1'000, false, start), 120U + 8);
    need.add(milliseconds(5), start);
    EXPECT_EQ(need.reply_time(), milliseconds(5));
    EXPECT_EQ(need.needed(1'000, false, start), 10U + 8) << "what was guessed is not held";
}

TEST(PollsAtOnce, OneSlowReplyIsASixtyFourthOfTheMean) {
    polls_at_once need = after_replies_of(milliseconds(10));
    need.add(milliseconds(74), start);
    EXPECT_EQ(need.reply_time(), milliseconds(11));
    need.add(milliseconds(-1), start); // a clock that stood: as if it were at once
    EXPECT_LT(need.reply_time(), milliseconds(11));
}

TEST(PollsAtOnce, OfASlowServerTwiceItsQuickRepliesCountUntilPollsAreLate) {
    polls_at_once need = after_replies_of(milliseconds(10));
    for (int i = 0; i < 400; ++i) // one in ten is quick
        need.add(milliseconds(i % 10 == 0 ? 10 : 100), start + i * milliseconds(100));
    EXPECT_NEAR(std::chrono::duration<double>(need.reply_time()).count(), 0.091, 0.01);
    EXPECT_LT(need.quick_reply_time(), milliseconds(60));
    const std::size_t in_time = need.needed(1'000, false, start);
    EXPECT_LT(in_time, need.needed(1'000, true, start));
    polls_at_once queue = after_replies_of(milliseconds(10));
    for (int i = 0; i < 20; ++i) queue.add(milliseconds(1'000), start); // a second of a busy server
    EXPECT_LT(queue.needed(1'000, false, start), 200U);
    EXPECT_GT(queue.needed(1'000, true, start), 200U);
}

TEST(PollsAtOnce, QuickRepliesBecomeAtMostATenthSlowerInASecond) {
    polls_at_once need = after_replies_of(milliseconds(10));
    const auto quick_ms = [&] { return std::chrono::duration<double, std::milli>(need.quick_reply_time()).count(); };
    for (int i = 0; i < 1'000; ++i) need.add(milliseconds(500), start); // a loop that was busy hands them over at once
    EXPECT_EQ(quick_ms(), 10);
    for (int i = 1; i <= 1'000; ++i) need.add(milliseconds(500), start + i * milliseconds(1));
    EXPECT_NEAR(quick_ms(), 11, 0.1);
    for (int i = 0; i < 1'000; ++i) need.add(milliseconds(500), start + seconds(60)); // nor is a pause saved up
    EXPECT_NEAR(quick_ms(), 12.1, 0.2);
    for (int i = 0; i < 60'000; ++i) need.add(milliseconds(500), start + seconds(61) + i * milliseconds(1));
    EXPECT_NEAR(quick_ms(), 500, 1) << "a Proof that has moved away is believed within a minute";
    polls_at_once at_once = after_replies_of(milliseconds(0));
    for (int i = 1; i <= 100'000; ++i) at_once.add(milliseconds(5), start + i * milliseconds(1));
    EXPECT_NEAR(static_cast<double>(at_once.quick_reply_time().count()), 5e6, 1e5) << "nor is it held at nothing";
}

TEST(PollsAtOnce, QuickRepliesLieWhereTheyDoAtAnyRate) {
    for (const int rate : {100, 1'000, 10'000}) {
        polls_at_once need;
        for (int i = 0; i < 30 * rate; ++i) // 30 to 130 ms, evenly: the balance is at 48
            need.add(milliseconds(30 + i * 61 % 101), start + i * std::chrono::microseconds(1'000'000 / rate));
        const double quick_ms = std::chrono::duration<double, std::milli>(need.quick_reply_time()).count();
        EXPECT_GT(quick_ms, 40) << rate;
        EXPECT_LT(quick_ms, 60) << rate;
    }
}

TEST(PollsAtOnce, RiseAtOnceAndFallAfterAMinuteOfLess) {
    polls_at_once need = after_replies_of(milliseconds(100));
    const std::size_t high = need.needed(10'000, false, start);
    EXPECT_EQ(high, 1'064U + 8);
    EXPECT_EQ(need.needed(100, false, start + seconds(1)), high);
    EXPECT_EQ(need.needed(100, false, start + seconds(61) - milliseconds(1)), high);
    EXPECT_EQ(need.needed(100, false, start + seconds(61)), 17U + 8);
    EXPECT_EQ(need.needed(10'000, false, start + seconds(62)), high);
}

TEST(PollsAtOnce, FallToTheHighestOfTheMinute) {
    polls_at_once need = after_replies_of(milliseconds(100));
    need.needed(10'000, false, start);
    need.needed(100, false, start + seconds(1));
    need.needed(1'000, false, start + seconds(30));
    EXPECT_EQ(need.needed(100, false, start + seconds(61)), 120U + 8);
}

TEST(PollsAtOnce, AMomentOfFullNeedBeginsTheMinuteAgain) {
    polls_at_once need = after_replies_of(milliseconds(100));
    const std::size_t high = need.needed(10'000, false, start);
    need.needed(1'000, false, start + seconds(1));
    need.needed(9'000, false, start + seconds(60));
    EXPECT_EQ(need.needed(100, false, start + seconds(61)), high);
    EXPECT_EQ(need.needed(100, false, start + seconds(121) - milliseconds(1)), high);
    EXPECT_EQ(need.needed(100, false, start + seconds(121)), 17U + 8) << "what was before does not count";
}

TEST(PollsAtOnce, WhatLiesWithinAQuarterIsChance) {
    polls_at_once need = after_replies_of(milliseconds(100));
    const std::size_t high = need.needed(10'000, false, start);
    need.needed(8'000, false, start + seconds(1));
    EXPECT_EQ(need.needed(8'000, false, start + seconds(600)), high);
}

TEST(PollsAtOnce, AReplyMovesTheQuickOnesDownTwentyTimesAsFastAsUp) {
    polls_at_once need = after_replies_of(milliseconds(100));
    need.add(milliseconds(420), start + seconds(1));
    EXPECT_NEAR(static_cast<double>(need.quick_reply_time().count()), 101e6, 1);
    need = after_replies_of(milliseconds(100));
    need.add(milliseconds(84), start + seconds(1));
    EXPECT_NEAR(static_cast<double>(need.quick_reply_time().count()), 99e6, 1);
}

TEST(PollsAtOnce, EachFallTakesAMinuteOfItsOwn) {
    polls_at_once need = after_replies_of(milliseconds(100));
    need.needed(10'000, false, start);
    need.needed(1'000, false, start + seconds(1));
    EXPECT_EQ(need.needed(1'000, false, start + seconds(61)), 120U + 8);
    EXPECT_EQ(need.needed(100, false, start + seconds(62)), 120U + 8);
    EXPECT_EQ(need.needed(100, false, start + seconds(122) - milliseconds(1)), 120U + 8);
    EXPECT_EQ(need.needed(100, false, start + seconds(122)), 17U + 8);
}

TEST(PollsAtOnce, AQuarterLessIsChanceAndOneMoreIsNot) {
    for (const auto& [rate, fallen] : {std::pair(446, 88U), std::pair(437, 65U)}) { // 66 and 65 of 88
        polls_at_once need = after_replies_of(milliseconds(100));
        EXPECT_EQ(need.needed(640, false, start), 88U);
        EXPECT_EQ(need.needed(rate, false, start), 88U);
        EXPECT_EQ(need.needed(rate, false, start + seconds(60)), fallen);
    }
}

TEST(CapacityLimit, IsWhatIsExhausted) {
    EXPECT_EQ(to_string(what_limits({.awaits_store = true, .is_at_ceiling = true, .in_flight = 64}, 64)), "store");
    EXPECT_EQ(to_string(what_limits({.is_at_ceiling = true, .in_flight = 64}, 64)), "poll.max_rate");
    EXPECT_EQ(to_string(what_limits({.in_flight = 64}, 64)), "proof.connections");
    EXPECT_EQ(to_string(what_limits({.in_flight = 56}, 64)), "proof.connections");
    EXPECT_EQ(to_string(what_limits({.in_flight = 55}, 64)), "cpu");
    EXPECT_EQ(to_string(what_limits({.in_flight = 0}, 1)), "cpu");
}

} // namespace
} // namespace prooftrack::track
