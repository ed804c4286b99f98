// When each is asked, exactly.

#include <map>
#include <set>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

tracking_facts facts_of(const tracker_fixture& world, const std::string& id) {
    return world.core.live(*world.core.find(id), world.now).facts;
}

active_transaction make_abandoned(const tracker_fixture& world, const std::string& id) {
    active_transaction ended = world.make(id);
    ended.facts.state = tracking_state::abandoned;
    ended.facts.status = "pending";
    ended.facts.watched = false;
    return ended;
}

TEST(Schedule, WhileTheRateGrowsItIsLookedAtTenTimesASecond) {
    tracker_fixture world;
    world.track("a");
    poll_answer reply;
    reply.what = reply_class::throttled;
    reply.retry_after = seconds(7);
    world.answer(*world.wait_for_poll(), reply);
    EXPECT_EQ(world.core.next_wake(world.now), world.now.steady + milliseconds(100));
}

TEST(Schedule, APollThatIsDueAndNotMadeDoesNotWakeTheLoopAgainAndAgain) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", milliseconds(1)), false});
    EXPECT_TRUE(world.core.has_poll(world.now));
    EXPECT_EQ(world.core.next_wake(world.now), world.now.steady + milliseconds(1)) << "its deadline";
}

TEST(Schedule, TheReportOnOneIdSaysWhenItIsPolled) {
    tracker_fixture world;
    world.track("a");
    const row_ref row = *world.core.find("a");
    EXPECT_EQ(world.core.live(row, world.now).next_poll_at, world.now.wall);
    world.pass(seconds(1));
    const auto poll = world.core.next_poll(world.now);
    EXPECT_EQ(poll->lateness, seconds(1));
    EXPECT_EQ(world.core.live(row, world.now).facts.polls, 1U);
    world.pass(seconds(1));
    EXPECT_EQ(world.core.live(row, world.now).next_poll_at, world.now.wall) << "in flight";
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.core.live(row, world.now).next_poll_at, std::nullopt) << "being recorded";
    EXPECT_TRUE(world.core.live(row, world.now).is_recording);
    world.recorded();
    EXPECT_EQ(world.core.live(row, world.now).next_poll_at, world.now.wall + minutes(10));
    EXPECT_FALSE(world.core.live(row, world.now).is_recording);
}

TEST(Schedule, AReloadOfTheSameBandMovesNobodyAndOfAnotherEverybody) {
    tracker_fixture world;
    std::map<std::string, wall_time> started;
    for (int i = 0; i < 10; ++i) world.track("id-" + std::to_string(i));
    for (int i = 0; i < 10; ++i) {
        const auto poll = world.wait_for_poll();
        started[poll->ticket.id] = world.now.wall;
        world.answer(*poll, reply_class::unchanged);
    }
    const auto next = [&](const std::string& id) {
        return *world.core.live(*world.core.find(id), world.now).next_poll_at;
    };
    std::map<std::string, wall_time> before;
    for (const auto& [id, when] : started) before[id] = next(id);
    world.step(options_changed_event{});
    for (const auto& [id, when] : before) EXPECT_EQ(next(id), when) << id;
    tracker_options options;
    options.rules.tail_interval = minutes(5);
    world.step(options_changed_event{options});
    for (const auto& [id, when] : before) EXPECT_EQ(next(id), when) << id << ": no one is in the tail";
    options.rules.interval = {seconds(20), seconds(30)};
    world.step(options_changed_event{options});
    for (const auto& [id, when] : started) {
        EXPECT_GE(next(id) - when, seconds(20)) << id;
        EXPECT_LE(next(id) - world.now.wall, seconds(25)) << id;
    }
}

TEST(Schedule, AnOverdueThatCouldNotBeRecordedComesAgainAfterTheFirstBackoff) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", seconds(1)), false});
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    world.pass(seconds(1));
    world.step(woken_event{});
    ASSERT_EQ(world.all<change_action>().size(), 1U);
    world.recorded(false);
    EXPECT_TRUE(world.all<change_action>().empty());
    world.pass(milliseconds(4'999));
    EXPECT_TRUE(world.step(woken_event{}).empty());
    world.pass(milliseconds(1));
    world.step(woken_event{});
    EXPECT_EQ(world.only<change_action>().event, event_type::overdue);
}

TEST(Schedule, OneThatIsAskedOnceGoesBeforeTheOthers) {
    tracker_fixture world;
    for (int i = 0; i < 200; ++i) world.track("id-" + std::to_string(i));
    world.step(tracked_event{make_abandoned(world, "once"), true});
    EXPECT_EQ(world.core.next_poll(world.now)->ticket.id, "once");
}

TEST(Schedule, OneThatIsAskedOnceAndIsTrackedMeanwhileStaysSo) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    world.step(tracked_event{make_abandoned(world, "a"), true}); // read before it was tracked anew
    EXPECT_EQ(facts_of(world, "a").state, tracking_state::tracking);
    EXPECT_TRUE(facts_of(world, "a").watched);
    world.pass(seconds(1));
    EXPECT_TRUE(world.core.next_poll(world.now)) << "but it is asked";
}

TEST(Schedule, OneThatIsTrackedAnewIsAskedASecondAfterItsLastPollThoughSomebodyWantsIt) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    const steady_time started = world.now.steady;
    world.track("a");
    world.step(poll_wanted_event{*world.core.find("a")});
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_EQ(world.now.steady - started, seconds(1));
}

TEST(Schedule, TheLastPollOfOneThatLeftIsKnownForASecond) {
    tracker_fixture world;
    for (const char* id : {"a", "b", "c"}) world.track(id);
    const wall_time begin = world.now.wall;
    const auto ask_and_end = [&](const std::string& id) {
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll);
        EXPECT_EQ(poll->ticket.id, id);
        world.answer(*poll, reply_class::unchanged);
        world.step(untracked_event{*world.core.find(id)});
        world.recorded();
    };
    const auto next = [&](const std::string& id) {
        return *world.core.live(*world.core.find(id), world.now).next_poll_at - begin;
    };
    ask_and_end("a");
    world.pass(milliseconds(500));
    ask_and_end("b");
    world.pass(milliseconds(100));
    world.track("a");
    EXPECT_EQ(next("a"), seconds(1));
    world.pass(milliseconds(400));
    ask_and_end("c");
    world.pass(milliseconds(100));
    world.track("b");
    EXPECT_EQ(next("b"), milliseconds(1'500));
}

TEST(Schedule, OneWhosePollIsUnderWayBecomesOverdueWithItsAnswer) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", seconds(1)), false});
    const auto poll = world.core.next_poll(world.now);
    ASSERT_TRUE(poll);
    world.pass(seconds(2));
    EXPECT_TRUE(world.step(woken_event{}).empty());
    world.answer(*poll, reply_class::unchanged);
    EXPECT_EQ(world.only<change_action>().event, event_type::overdue);
}

TEST(Schedule, AHintOfOneThatIsUntrackedMeanwhileAsksNobody) {
    tracker_fixture world;
    world.track("a");
    const row_ref row = *world.core.find("a");
    const auto poll = world.core.next_poll(world.now);
    ASSERT_TRUE(poll);
    world.step(poll_wanted_event{row});
    world.step(untracked_event{row});
    world.recorded();
    world.answer(*poll, reply_class::unchanged);
    EXPECT_EQ(world.core.size(), 0U);
    EXPECT_FALSE(world.wait_for_poll());
}

TEST(Schedule, OneInThePlaceOfAnotherHasADeadlineOfItsOwn) {
    tracker_options options;
    options.rules.verify_after.clear();
    tracker_fixture world(options);
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    EXPECT_EQ(world.core.size(), 0U);
    world.step(tracked_event{world.make("b", hours(1)), false});
    world.pass(hours(1));
    world.step(woken_event{});
    EXPECT_EQ(world.only<change_action>().event, event_type::overdue);
}

TEST(Schedule, AnErrorIsAskedAboutAgainNoSoonerThanTheBandLets) {
    tracker_options options;
    options.rules.interval = {seconds(100), seconds(100)};
    options.rules.verify_after = {seconds(1)};
    tracker_fixture world(options);
    world.track("a");
    const wall_time begin = world.now.wall;
    world.answer(*world.wait_for_poll(), reply_class::server_error);
    const auto next = [&] { return *world.core.live(*world.core.find("a"), world.now).next_poll_at - begin; };
    EXPECT_EQ(next(), seconds(100));
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    EXPECT_EQ(next(), seconds(200)) << "nor a verification";
}

TEST(Schedule, AHintComesInItsTimeThoughTheClockIsSet) {
    tracker_fixture world;
    world.track("a");
    world.track("b");
    world.step(untracked_event{*world.core.find("a")});
    world.recorded(); // its place is free
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    const steady_time begin = world.now.steady;
    world.step(poll_wanted_event{*world.core.find("b")});
    world.step(clock_jumped_event{});
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_EQ(world.now.steady - begin, seconds(1));
}

TEST(Schedule, WhatIsDueWhenTheClockIsSetIsSpread) {
    for (const auto state : {tracking_state::tracking, tracking_state::overdue}) {
        for (const steady_duration late : {steady_duration(0), steady_duration(hours(1))}) {
            tracker_options options;
            options.rules.interval = {seconds(10), seconds(10)};
            tracker_fixture world(options);
            std::vector<active_transaction> rows;
            for (int i = 0; i < 10; ++i) {
                rows.push_back(world.make("id-" + std::to_string(i)));
                rows.back().facts.state = state;
                rows.back().facts.overdue_at =
                    world.now.wall + (state == tracking_state::tracking ? hours(9) : hours(0));
                rows.back().facts.last_polled_at = world.now.wall;
            }
            world.load(std::move(rows));
            world.pass(state == tracking_state::tracking ? steady_duration(seconds(10)) : hours(1));
            world.pass(late);
            world.step(clock_jumped_event{});
            for (int second = 0; second < 10; ++second) {
                EXPECT_TRUE(world.core.next_poll(world.now)) << second;
                EXPECT_FALSE(world.core.next_poll(world.now)) << second;
                world.pass(seconds(1));
            }
        }
    }
}

TEST(Schedule, ErrorsThatAreDueWhenTheClockIsSetAreSpread) {
    tracker_fixture world;
    for (int i = 0; i < 10; ++i) world.track("id-" + std::to_string(i));
    for (int i = 0; i < 10; ++i)
        world.answer(
            world.core.next_poll(world.now).value(), i < 9 ? reply_class::server_error : reply_class::unchanged);
    world.pass(hours(1)); // nobody looked: the machine slept
    world.step(clock_jumped_event{});
    int polls = 0;
    while (world.core.next_poll(world.now)) ++polls;
    EXPECT_EQ(polls, 1);
}

/// What was told of the old token counts no more, but these wait for no error.
TEST(Schedule, ErrorsThatWereSpreadKeepTheirPlacesWhenTheTokenIsNew) {
    tracker_options options;
    options.rules.interval = {seconds(10), seconds(10)};
    tracker_fixture world(options);
    for (const char* id : {"a", "b", "well"}) world.track(id);
    for (int i = 0; i < 3; ++i) {
        world.answer(*world.core.next_poll(world.now), reply_class::good, "pending");
        world.recorded();
    }
    world.pass(seconds(10));
    for (int i = 0; i < 3; ++i) {
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll);
        if (poll->ticket.id != "well") world.answer(*poll, reply_class::server_error);
    }
    world.pass(seconds(10));
    world.step(clock_jumped_event{});
    const auto waits = [&] {
        std::multiset<milliseconds> all;
        for (const char* id : {"a", "b"})
            all.insert(*world.core.live(*world.core.find(id), world.now).next_poll_at - world.now.wall);
        return all;
    };
    EXPECT_EQ(waits(), (std::multiset<milliseconds>{seconds(0), seconds(5)}));
    world.step(token_changed_event{});
    EXPECT_EQ(waits(), (std::multiset<milliseconds>{seconds(0), seconds(5)}));
}

TEST(Schedule, ANewTokenEndsAnErrorsWaitOnce) {
    tracker_options options;
    options.rules.interval = {seconds(5), seconds(100)};
    tracker_fixture world(options);
    for (const char* id : {"a", "b"}) world.track(id);
    const auto fail = [&] {
        const auto poll = world.core.next_poll(world.now).value();
        world.answer(poll, reply_class::server_error);
        world.step(token_changed_event{});
        return poll.ticket.id;
    };
    const row_ref first = *world.core.find(fail());
    const auto next = world.core.live(first, world.now).next_poll_at;
    EXPECT_EQ(world.core.live(first, world.now).consecutive_errors, 0U);
    fail();
    EXPECT_EQ(world.core.live(first, world.now).next_poll_at, next);
}

TEST(Schedule, AReloadOfTheTimesOfVerificationHoldsForThoseThatWait) {
    tracker_options options;
    tracker_fixture world(options);
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    const auto next = [&] { return *world.core.live(*world.core.find("a"), world.now).next_poll_at - world.now.wall; };
    EXPECT_EQ(next(), minutes(10));
    options.rules.verify_after = {minutes(20)};
    world.step(options_changed_event{options});
    EXPECT_EQ(next(), minutes(20));
    options.rules.verify_after.clear();
    world.step(options_changed_event{options});
    EXPECT_EQ(next(), minutes(20)) << "once more, to record that it is not watched any longer";
}

TEST(Schedule, OneThatLeavesUnaskedMakesNobodyForgotten) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    const steady_time started = world.now.steady;
    world.answer(*poll, reply_class::unchanged);
    for (const char* id : {"a", "b"}) {
        if (!world.core.find(id)) world.track(id);
        world.step(untracked_event{*world.core.find(id)});
        world.recorded();
    }
    world.track("a");
    ASSERT_TRUE(world.wait_for_poll(seconds(2)));
    EXPECT_GE(world.now.steady - started, seconds(1));
}

TEST(Schedule, TheRateThatWasMadeIsThatOfTheLastFiveSeconds) {
    tracker_fixture world;
    world.step(woken_event{});
    for (int i = 0; i < 10; ++i) world.track("id-" + std::to_string(i));
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(world.core.next_poll(world.now));
    world.pass(milliseconds(4'999));
    world.step(woken_event{});
    EXPECT_EQ(world.core.made_rate(), 0);
    world.pass(milliseconds(1));
    world.step(woken_event{});
    EXPECT_NEAR(world.core.made_rate(), 2, 1e-9);
    world.pass(seconds(5));
    world.step(woken_event{});
    EXPECT_EQ(world.core.made_rate(), 0);
}

TEST(Schedule, AnUnchangedReplyEndsAGraceAndGivesUpAsAnyOther) {
    tracker_options options;
    options.rules.give_up_after = hours(1); // before it is overdue
    tracker_fixture world(options);
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.recorded();
    world.answer(*world.wait_for_poll(), reply_class::not_found);
    EXPECT_TRUE(world.only<change_action>().facts.not_found_since.has_value());
    world.recorded();
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    EXPECT_FALSE(world.only<change_action>().facts.not_found_since.has_value());
    world.recorded();
    world.pass(hours(1));
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    EXPECT_EQ(world.only<change_action>().event, event_type::abandoned);
}

TEST(Schedule, ARejectedOneThatIsAnsweredAsBeforeIsTrackedAgain) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.recorded();
    for (int i = 0; i < 3; ++i) world.answer(*world.wait_for_poll(), reply_class::bad_request);
    EXPECT_EQ(world.only<change_action>().event, event_type::rejected);
    world.recorded();
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    EXPECT_EQ(world.only<change_action>().facts.state, tracking_state::tracking);
}

TEST(Schedule, OneThatBecomesOverdueIsStillKnownByItsLastReply) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", seconds(1)), false});
    auto poll = world.wait_for_poll();
    EXPECT_EQ(poll->ticket.known_body, 0U);
    poll_answer reply;
    reply.what = reply_class::good;
    reply.status = "pending";
    reply.body_hash = 17;
    world.answer(*poll, reply);
    world.recorded();
    world.pass(seconds(1));
    world.step(woken_event{});
    EXPECT_EQ(world.only<change_action>().event, event_type::overdue);
    world.recorded();
    poll = world.wait_for_poll(hours(2));
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->ticket.known_body, 17U) << "the same reply is not parsed again";
}

TEST(Schedule, AnUnchangedReplyForgetsErrors) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.recorded();
    for (int i = 0; i < 2; ++i) world.answer(*world.wait_for_poll(), reply_class::bad_request);
    const row_ref row = *world.core.find("a");
    EXPECT_EQ(world.core.live(row, world.now).consecutive_errors, 2U);
    EXPECT_EQ(world.core.live(row, world.now).last_error, "bad_request");
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    EXPECT_EQ(world.core.live(row, world.now).consecutive_errors, 0U);
    EXPECT_EQ(world.core.live(row, world.now).last_error, "");
    for (int i = 0; i < 2; ++i) world.answer(*world.wait_for_poll(), reply_class::bad_request);
    EXPECT_TRUE(world.all<change_action>().empty());
    world.answer(*world.wait_for_poll(), reply_class::bad_request);
    EXPECT_EQ(world.only<change_action>().event, event_type::rejected) << "the third in a row";
}

TEST(Schedule, AnUnchangedReplyGivesUpAtTheMillisecond) {
    for (const int early : {0, 1}) {
        tracker_options options;
        options.rules.give_up_after = hours(1);
        tracker_fixture world(options);
        const steady_time begin = world.now.steady;
        world.track("a");
        world.answer(*world.wait_for_poll(), reply_class::good, "pending");
        world.recorded();
        const auto poll = world.wait_for_poll();
        world.pass(begin + hours(1) - milliseconds(early) - world.now.steady);
        world.answer(*poll, reply_class::unchanged);
        EXPECT_EQ(world.all<change_action>().size(), early == 0 ? 1U : 0U);
    }
}

TEST(Age, OfOneThatIsTrackedNowMayBeHalfAMinuteOff) {
    for (const int sign : {1, -1}) {
        for (const int off : {30'000, 30'001}) {
            tracker_fixture world;
            active_transaction row = world.make("a");
            row.facts.tracked_at += milliseconds(sign * off);
            row.facts.overdue_at += milliseconds(sign * off);
            world.step(tracked_event{row, false});
            const wall_time noted = off == 30'000 ? row.facts.tracked_at : world.now.wall;
            EXPECT_EQ(facts_of(world, "a").tracked_at, noted);
            EXPECT_EQ(facts_of(world, "a").overdue_at, noted + hours(24));
        }
    }
}

} // namespace
} // namespace prooftrack::track
