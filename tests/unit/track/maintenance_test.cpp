// An operator's maintenance: nothing is polled, nothing is lost, and its silence is held against nobody.

#include <set>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

class Maintenance : public testing::Test {
  protected:
    void turn(bool is_on) { world_.step(maintenance_event{is_on, world_.now.wall}); }
    void expect_silence(steady_duration span) {
        const steady_time end = world_.now.steady + span;
        while (world_.now.steady < end) {
            EXPECT_FALSE(world_.core.has_poll(world_.now));
            EXPECT_FALSE(world_.core.next_poll(world_.now));
            EXPECT_FALSE(world_.core.next_wake(world_.now));
            EXPECT_EQ(world_.core.oldest_due(world_.now), steady_duration(0)) << "nobody is late";
            world_.pass(minutes(1));
            world_.step(woken_event{});
            EXPECT_TRUE(world_.actions.empty());
        }
    }
    void answer_first(const char* word) {
        world_.answer(*world_.wait_for_poll(), reply_class::good, word);
        world_.recorded();
    }
    /// A reply whose `Date` vouches for the clock.
    poll_answer dated(reply_class what) const {
        poll_answer reply;
        reply.what = what;
        reply.server_date = world_.now.wall;
        if (what == reply_class::good) reply.status = "pending";
        return reply;
    }
    void answer_first(reply_class what) {
        world_.answer(*world_.wait_for_poll(), dated(what));
        world_.recorded();
    }
    row_ref row(const char* id) const { return *world_.core.find(id); }
    wall_time since(const char* id) const {
        return world_.core.live(row(id), world_.now).facts.not_found_since.value();
    }

    tracker_fixture world_;
};

TEST_F(Maintenance, NothingIsPolledWhileItIsOn) {
    world_.track("a");
    turn(true);
    EXPECT_TRUE(world_.core.is_held());
    world_.track("b"); // taken as ever
    EXPECT_EQ(world_.core.size(), 2U);
    world_.step(poll_wanted_event{row("a")});
    EXPECT_EQ(world_.core.live(row("a"), world_.now).next_poll_at, std::nullopt) << "none is planned";
    expect_silence(hours(3));
}

TEST_F(Maintenance, WhatIsInFlightEndsNormally) {
    world_.track("a");
    const auto poll = world_.wait_for_poll();
    turn(true);
    EXPECT_FALSE(world_.core.may_repeat()) << "a broken connection is no reason to poll again";
    world_.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world_.only<change_action>().event, event_type::completed);
    world_.recorded();
    EXPECT_EQ(world_.core.find("a").has_value(), true) << "it waits to be verified";
    expect_silence(hours(2)); // past each time of verify_after
    turn(false);
    ASSERT_TRUE(world_.wait_for_poll(minutes(1))) << "the verification is made up for";
}

TEST_F(Maintenance, AfterItPollsAreSpreadAsAfterARestart) {
    constexpr std::size_t number = 300;
    for (std::size_t i = 0; i < number; ++i) world_.track("tx-" + std::to_string(i));
    for (std::size_t i = 0; i < number; ++i) answer_first("pending");
    turn(true);
    expect_silence(minutes(20));
    turn(false);
    const steady_time begin = world_.now.steady;
    std::set<std::string> polled;
    std::size_t in_first_second = 0;
    while (polled.size() < number) {
        const auto poll = world_.wait_for_poll(milliseconds(10'000));
        ASSERT_TRUE(poll);
        if (world_.now.steady - begin < seconds(1)) ++in_first_second;
        polled.insert(poll->ticket.id);
        world_.answer(*poll, reply_class::good, "pending");
    }
    EXPECT_LE(world_.now.steady - begin, seconds(8)) << "one mean interval";
    EXPECT_GT(in_first_second, number / 15);
    EXPECT_LT(in_first_second, number / 5) << "no herd";
}

TEST_F(Maintenance, WhoWasAskedForIsPolledFirst) {
    for (const char* id : {"a", "b", "c"}) world_.track(id);
    for (int i = 0; i < 3; ++i) answer_first("pending");
    turn(true);
    world_.step(poll_wanted_event{row("c")});
    expect_silence(minutes(2));
    turn(false);
    EXPECT_EQ(world_.wait_for_poll()->ticket.id, "c");
}

TEST_F(Maintenance, NobodyBecomesOverdueByItAndAfterItEverybodyIsPolledFirst) {
    world_.step(tracked_event{world_.make("paid", minutes(30)), false});
    world_.step(tracked_event{world_.make("open", minutes(30)), false});
    for (int i = 0; i < 2; ++i) answer_first("pending");
    turn(true);
    expect_silence(hours(2));
    turn(false);
    for (int i = 0; i < 2; ++i) {
        const auto poll = world_.wait_for_poll();
        ASSERT_TRUE(poll);
        const bool is_paid = poll->ticket.id == "paid";
        world_.answer(*poll, is_paid ? reply_class::good : reply_class::unchanged, is_paid ? "completed" : "");
        for (const auto& change : world_.all<change_action>()) {
            EXPECT_EQ(change.event, event_type::completed) << "it was paid in time";
            world_.step(durable(change));
        }
    }
    std::vector<std::string> overdue;
    const steady_time end = world_.now.steady + seconds(25);
    while (world_.now.steady < end && overdue.empty()) {
        world_.pass(milliseconds(100));
        world_.step(woken_event{});
        for (const auto& change : world_.all<change_action>()) overdue.push_back(change.id.str());
    }
    EXPECT_EQ(overdue, std::vector<std::string>{"open"}) << "its time has passed, and it was asked about";
}

TEST_F(Maintenance, ItsTimeCountsTowardsNoGraceOfANotFound) {
    world_.track("a");
    world_.answer(*world_.wait_for_poll(), reply_class::not_found);
    for (const auto& change : world_.all<change_action>()) world_.step(durable(change));
    turn(true);
    expect_silence(hours(1));
    turn(false);
    world_.answer(*world_.wait_for_poll(), reply_class::not_found);
    for (const auto& change : world_.all<change_action>())
        EXPECT_EQ(change.facts.state, tracking_state::tracking) << "it was not found for seconds";
}

TEST_F(Maintenance, TheGraceThatItMovedIsSavedThoughNothingElseChanges) {
    world_.track("a");
    answer_first(reply_class::good);
    answer_first(reply_class::not_found);
    const wall_time begun = since("a");
    turn(true);
    expect_silence(hours(1));
    turn(false);
    world_.answer(*world_.wait_for_poll(), dated(reply_class::not_found));
    const auto saved = world_.only<change_action>();
    EXPECT_FALSE(saved.is_history);
    EXPECT_EQ(saved.facts.not_found_since, begun + hours(1));
    world_.step(durable(saved));
    world_.answer(*world_.wait_for_poll(), dated(reply_class::not_found));
    EXPECT_TRUE(world_.all<change_action>().empty()) << "once";
}

TEST_F(Maintenance, AGraceThatIsBeingRecordedAtItsEndIsMovedAndSavedToo) {
    world_.track("a");
    answer_first(reply_class::good);
    const auto poll = world_.wait_for_poll();
    turn(true);
    const wall_time begun = world_.now.wall;
    world_.answer(*poll, dated(reply_class::not_found));
    const auto slow = world_.only<change_action>();
    EXPECT_EQ(slow.facts.not_found_since, begun);
    world_.pass(minutes(10));
    turn(false);
    world_.step(durable(slow));
    EXPECT_EQ(since("a"), begun + minutes(10));
    world_.answer(*world_.wait_for_poll(), dated(reply_class::not_found));
    EXPECT_EQ(world_.only<change_action>().facts.not_found_since, begun + minutes(10));
}

TEST_F(Maintenance, ARestartWithinItGoesOnWithIt) {
    std::vector<active_transaction> rows{world_.make("a", minutes(10)), world_.make("b")};
    rows[1].facts.not_found_since = world_.now.wall;
    rows[1].facts.last_polled_at = world_.now.wall;
    const wall_time since = world_.now.wall;
    world_.pass(hours(1));
    world_.step(maintenance_event{true, since});
    world_.load(rows);
    expect_silence(hours(1));
    turn(false);
    std::set<std::string> polled;
    for (int i = 0; i < 2; ++i) {
        const auto poll = world_.wait_for_poll(seconds(10));
        ASSERT_TRUE(poll);
        polled.insert(poll->ticket.id);
        world_.answer(*poll, reply_class::not_found);
        for (const auto& change : world_.all<change_action>()) {
            EXPECT_EQ(change.facts.state, tracking_state::tracking);
            world_.step(durable(change));
        }
    }
    EXPECT_EQ(polled.size(), 2U);
}

TEST_F(Maintenance, NoProbeIsMadeDuringAnOutageAndTheFirstComesAtOnceAfterIt) {
    world_.track("a");
    answer_first("pending");
    for (int i = 0; i < 5 && !world_.core.health().is_unwell(); ++i)
        world_.answer(*world_.wait_for_poll(minutes(10)), reply_class::no_reply);
    ASSERT_TRUE(world_.core.health().is_unwell());
    turn(true);
    expect_silence(hours(1));
    EXPECT_TRUE(world_.core.health().is_unwell()) << "nobody has asked";
    turn(false);
    EXPECT_TRUE(world_.core.next_poll(world_.now));
}

TEST_F(Maintenance, WhatFailsInItConcernsNotAll) {
    constexpr std::size_t number = 30;
    for (std::size_t i = 0; i < number; ++i) world_.track("tx-" + std::to_string(i));
    for (std::size_t i = 0; i < number; ++i) answer_first("pending");
    std::vector<started_poll> under_way;
    while (under_way.size() < 5) under_way.push_back(*world_.wait_for_poll());
    turn(true);
    for (const auto& poll : under_way) world_.answer(poll, reply_class::no_reply);
    expect_silence(hours(1));
    EXPECT_FALSE(world_.core.health().is_unwell());
    turn(false);
    world_.step(woken_event{});
    EXPECT_FALSE(world_.core.health().is_unwell()) << "an hour without a poll is no outage";
    EXPECT_TRUE(world_.wait_for_poll(seconds(1)));
}

TEST_F(Maintenance, TurnedOnOrOffAgainItChangesNothing) {
    world_.track("a");
    answer_first("pending");
    const auto before = world_.core.live(row("a"), world_.now).next_poll_at;
    turn(false);
    EXPECT_EQ(world_.core.live(row("a"), world_.now).next_poll_at, before);
    turn(true);
    turn(true);
    turn(false);
    EXPECT_EQ(world_.core.live(row("a"), world_.now).next_poll_at, before) << "it is not due yet";
}

} // namespace
} // namespace prooftrack::track
