// Whether the polls keep up with their cadences, and what is told when they do not.

#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

/// Each id is polled every ten seconds.
tracker_options every_ten_seconds(std::uint32_t max_rate = 0) {
    tracker_options options;
    options.rules.interval = {seconds(10), seconds(10)};
    options.max_rate = max_rate;
    return options;
}

/// A second after a 429, with 1,000 ids that want a poll each second.
struct throttled_world : tracker_fixture {
    explicit throttled_world(std::uint32_t max_rate = 0) : tracker_fixture(every_second(max_rate)) {
        for (int i = 0; i < 1'000; ++i) track("id-" + std::to_string(i));
        poll_answer reply;
        reply.what = reply_class::throttled;
        reply.took = milliseconds(100);
        answer(*wait_for_poll(), reply);
        pass(seconds(1));
        step(woken_event{});
    }
    static tracker_options every_second(std::uint32_t max_rate) {
        tracker_options options;
        options.rules.interval = {seconds(1), seconds(1)};
        options.max_rate = max_rate;
        return options;
    }
};

TEST(Capacity, TheWantedRateIsThatOfTheBandAndOfTheTail) {
    tracker_fixture world;
    std::vector<active_transaction> rows;
    const auto add = [&](tracking_state state, int count) {
        for (int i = 0; i < count; ++i) {
            rows.push_back(world.make("id-" + std::to_string(rows.size())));
            rows.back().facts.state = state;
        }
    };
    add(tracking_state::tracking, 15);
    add(tracking_state::overdue, 3);
    add(tracking_state::not_found, 2);
    add(tracking_state::rejected, 1);
    world.load(std::move(rows));
    EXPECT_NEAR(world.core.wanted_rate(), 2 + 6 / 3'600.0, 1e-9);
    tracker_options options;
    options.rules.tail_interval = seconds(1);
    world.step(options_changed_event{options});
    EXPECT_NEAR(world.core.wanted_rate(), 21 / 7.5, 1e-9) << "no tail is asked more often than the band";
}

TEST(Capacity, MorePollsAreNeededAtOnceOnceOneIsMoreThanASecondLate) {
    tracker_fixture world(every_ten_seconds());
    for (int i = 0; i < 100; ++i) world.track("id-" + std::to_string(i));
    for (int i = 0; i < 100; ++i) {
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll);
        poll_answer reply;
        reply.what = reply_class::unchanged;
        reply.took = milliseconds(i == 0 ? 10 : 1'000); // a server that is short of CPU
        world.answer(*poll, reply);
    }
    world.pass(seconds(11));
    const std::size_t needed = world.core.needed_at_once(world.now);
    world.pass(milliseconds(1));
    EXPECT_GT(world.core.needed_at_once(world.now), needed);
}

TEST(Capacity, NoMorePollsAreNeededAtOnceThanTheCeilingLets) {
    for (const auto& [max_rate, needed] : {std::pair(0U, 11U), std::pair(1U, 9U)}) {
        tracker_fixture world(every_ten_seconds(max_rate));
        for (int i = 0; i < 100; ++i) world.track("id-" + std::to_string(i));
        EXPECT_EQ(world.core.needed_at_once(world.now), needed) << "replies of a tenth of a second are assumed";
    }
}

/// What is needed at once shows the rate: it is that of replies after a tenth of a second.
TEST(Capacity, A429LetsTheRateBeginAtAnEighthAndDoubleUpToHalf) {
    for (const auto& [max_rate, first, later] : {std::tuple(0U, 28U, 95), std::tuple(100U, 18U, 23)}) {
        throttled_world world(max_rate);
        EXPECT_EQ(world.core.needed_at_once(world.now), first) << "125 a second, or half of the ceiling";
        for (int i = 0; i < 40; ++i) {
            world.pass(milliseconds(100));
            world.step(woken_event{});
        }
        EXPECT_NEAR(static_cast<double>(world.core.needed_at_once(world.now)), later, 1)
            << "500 after two seconds and 700 after four; or 90";
    }
}

TEST(Capacity, NothingIsLateThatIsNotDueOrPauses) {
    tracker_fixture world(every_ten_seconds());
    EXPECT_EQ(world.core.oldest_due(world.now), steady_duration(0));
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    EXPECT_EQ(world.core.oldest_due(world.now), steady_duration(0));
    world.pass(seconds(11));
    EXPECT_EQ(world.core.oldest_due(world.now), seconds(1));
    poll_answer reply;
    reply.what = reply_class::throttled;
    reply.retry_after = seconds(60);
    world.answer(*world.wait_for_poll(), reply);
    world.pass(seconds(30));
    EXPECT_EQ(world.core.oldest_due(world.now), steady_duration(0));
}

TEST(Capacity, BehindIsSaidAfterFiveSecondsAndOnceAMinute) {
    tracker_fixture world(every_ten_seconds());
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    const steady_time begin = world.now.steady;
    const auto said_at = [&](milliseconds after) {
        world.pass(begin + after - world.now.steady);
        world.step(woken_event{});
        return world.all<behind_action>();
    };
    EXPECT_TRUE(said_at(seconds(11)).empty()) << "a second is not late";
    EXPECT_TRUE(said_at(milliseconds(11'001)).empty());
    EXPECT_TRUE(said_at(milliseconds(16'000)).empty());
    const auto said = said_at(milliseconds(16'001));
    ASSERT_EQ(said.size(), 1U);
    EXPECT_NEAR(said[0].wanted, 0.1, 1e-9);
    EXPECT_EQ(said[0].oldest_due, milliseconds(6'001));
    EXPECT_FALSE(said[0].facts.awaits_store || said[0].facts.is_at_ceiling);
    EXPECT_EQ(said[0].facts.in_flight, 0U);
    EXPECT_TRUE(said_at(milliseconds(76'000)).empty());
    EXPECT_EQ(said_at(milliseconds(76'001)).size(), 1U);
    EXPECT_TRUE(said_at(milliseconds(136'000)).empty());
    const auto poll = world.core.next_poll(world.now);
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->lateness, seconds(126));
    EXPECT_TRUE(said_at(milliseconds(136'001)).empty());
    world.answer(*poll, reply_class::unchanged); // due again after 146 s
    EXPECT_TRUE(said_at(milliseconds(147'001)).empty()) << "behind anew";
    EXPECT_TRUE(said_at(milliseconds(152'000)).empty());
    EXPECT_EQ(said_at(milliseconds(152'001)).size(), 1U);
}

TEST(Capacity, WhatNobodyMayTakeIsNotBehindAndFiveSecondsLaterItIs) {
    tracker_fixture world(every_ten_seconds());
    world.track("a");
    world.pass(seconds(60));
    const auto said = [&](milliseconds later, bool is_withheld) {
        world.pass(later);
        world.step(woken_event{is_withheld});
        return world.all<behind_action>().size();
    };
    EXPECT_EQ(said(seconds(0), false), 0U);
    EXPECT_EQ(said(seconds(60), true), 0U);
    EXPECT_EQ(said(milliseconds(1), false), 0U);
    EXPECT_EQ(said(milliseconds(4'999), false), 0U);
    EXPECT_EQ(said(milliseconds(1), false), 1U);
}

TEST(Capacity, TheRateDoesNotGrowWhileNobodyMayTakePolls) {
    throttled_world world;
    ASSERT_EQ(world.core.needed_at_once(world.now), 28U) << "125 a second";
    for (int i = 0; i < 40; ++i) {
        world.pass(milliseconds(100));
        world.step(woken_event{true});
    }
    EXPECT_EQ(world.core.needed_at_once(world.now), 28U);
    for (int i = 0; i < 10; ++i) {
        world.pass(milliseconds(100));
        world.step(woken_event{});
    }
    EXPECT_NEAR(static_cast<double>(world.core.needed_at_once(world.now)), 43, 1) << "250 after a second";
}

TEST(Capacity, BehindSaysWhetherTheCeilingIsAllThatIsWanted) {
    for (const auto& [max_rate, is_at_ceiling] : {std::pair(0U, false), std::pair(1U, true), std::pair(2U, false)}) {
        tracker_fixture world(every_ten_seconds(max_rate));
        for (int i = 0; i < 10; ++i) world.track("id-" + std::to_string(i));
        world.pass(seconds(2));
        world.step(woken_event{});
        world.pass(seconds(5));
        world.step(woken_event{});
        EXPECT_EQ(world.only<behind_action>().facts.is_at_ceiling, is_at_ceiling) << max_rate;
    }
}

TEST(Capacity, BehindSaysWhetherHalfOfTheMostChangesWait) {
    for (const std::size_t waiting : {most_unrecorded / 2 - 1, most_unrecorded / 2}) {
        tracker_fixture world;
        for (std::size_t i = 0; i <= most_unrecorded / 2; ++i)
            world.core.step(tracked_event{world.make("id-" + std::to_string(i)), false}, world.now, world.actions);
        world.pass(seconds(10)); // the first polls are paced
        for (std::size_t i = 0; i < waiting; ++i) {
            poll_answer reply;
            reply.what = reply_class::good;
            reply.status = "pending";
            reply.body_hash = 17;
            world.core.step(
                answered_event{world.core.next_poll(world.now).value().ticket, reply}, world.now, world.actions);
        }
        world.step(woken_event{});
        world.pass(seconds(5));
        world.step(woken_event{});
        EXPECT_EQ(world.only<behind_action>().facts.awaits_store, waiting == most_unrecorded / 2);
    }
}

} // namespace
} // namespace prooftrack::track
