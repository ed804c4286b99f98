// Shards that another daemon had until now, and rows that another daemon changes: when they are polled, what becomes of
// what memory knew.

#include <algorithm>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// 5 s from start to start, without chance; one verification after ten minutes.
tracker_options without_chance() {
    tracker_options options;
    options.rules.interval = {seconds(5), seconds(5)};
    options.rules.backoff = {seconds(8), seconds(8)};
    options.rules.verify_after = {minutes(10)};
    return options;
}

class TakenUp : public testing::Test {
  protected:
    /// Was polled so long ago, and is pending.
    active_transaction polled(const std::string& id, milliseconds ago, std::uint32_t revision = 1) const {
        active_transaction row = world_.make(id);
        row.facts.tracked_at = world_.now.wall - hours(3);
        row.facts.overdue_at = world_.now.wall + hours(21);
        row.facts.last_polled_at = world_.now.wall - ago;
        row.facts.polls = 4;
        row.facts.status = "pending";
        row.revision = row_revision{revision};
        return row;
    }
    active_transaction settled(const std::string& id, milliseconds ago, std::uint32_t revision = 1) const {
        active_transaction row = polled(id, ago, revision);
        row.facts.state = tracking_state::settled;
        row.facts.status = "completed";
        row.facts.settled_at = row.facts.last_polled_at;
        return row;
    }
    std::vector<tracker_action>& take_up(std::vector<active_transaction> rows, milliseconds within) {
        return world_.step(loaded_event{std::move(rows), within});
    }
    std::vector<tracker_action>& refresh(active_transaction row) {
        return world_.step(refreshed_event{std::move(row)});
    }
    /// Of a waiting row: how long until its poll.
    milliseconds wait_of(const std::string& id) const {
        return world_.core.live(*world_.core.find(id), world_.now).next_poll_at.value() - world_.now.wall;
    }
    /// Proof's replies have no Date, so that nothing is held against the wall clock.
    void vouch() {
        world_.track("vouching");
        world_.answer(*world_.wait_for_poll(), reply_class::good, "completed");
        world_.recorded();
    }
    /// `a` as of revision 2, pending, and its second poll in flight.
    started_poll poll_of_known() {
        world_.track("a");
        world_.answer(*world_.wait_for_poll(), reply_class::good, "pending");
        world_.recorded();
        return world_.wait_for_poll().value();
    }

    tracker_fixture world_{without_chance()};
};

TEST_F(TakenUp, FirstPollsComeAtRandomWithinTheTime) {
    std::vector<active_transaction> rows;
    for (int i = 0; i < 200; ++i)
        rows.push_back(i % 2 == 0 ? polled(std::to_string(i), minutes(5)) : world_.make(std::to_string(i)));
    take_up(std::move(rows), seconds(2));
    milliseconds sum{0};
    milliseconds first = hours(1);
    milliseconds last{0};
    for (int i = 0; i < 200; ++i) {
        const milliseconds wait = wait_of(std::to_string(i));
        sum += wait;
        first = std::min(first, wait);
        last = std::max(last, wait);
    }
    EXPECT_GE(first, milliseconds(0));
    EXPECT_LT(first, milliseconds(100));
    EXPECT_GT(last, milliseconds(1'900));
    EXPECT_LE(last, seconds(2));
    EXPECT_NEAR(static_cast<double>(sum.count()) / 200, 1'000, 150);
}

TEST_F(TakenUp, WithinNoTimeTheyAreAllDueAtOnce) {
    take_up({polled("a", minutes(1)), world_.make("b")}, milliseconds(0));
    EXPECT_TRUE(world_.core.next_poll(world_.now));
    EXPECT_TRUE(world_.core.next_poll(world_.now));
}

TEST_F(TakenUp, OneThatWasPolledLatelyWaitsForItsTurn) {
    take_up({polled("a", seconds(2)), polled("b", milliseconds(4'999)), polled("c", seconds(5))}, milliseconds(0));
    EXPECT_EQ(wait_of("a"), seconds(3));
    EXPECT_EQ(wait_of("b"), milliseconds(1));
    EXPECT_EQ(wait_of("c"), milliseconds(0));
}

TEST_F(TakenUp, NoneIsPolledSoonerAfterItsLastPollThanTheCadenceAllows) {
    tracker_fixture world; // 5 to 10 s
    for (int ago = 0; ago < 12; ++ago) {
        for (int i = 0; i < 20; ++i) {
            const std::string id = std::to_string(ago) + "-" + std::to_string(i);
            active_transaction row = polled(id, seconds(ago));
            world.step(loaded_event{{row}, milliseconds(500)});
            const auto live = world.core.live(*world.core.find(id), world.now);
            EXPECT_GE(*live.next_poll_at - *row.facts.last_polled_at, seconds(5)) << id;
            EXPECT_LE(*live.next_poll_at - world.now.wall, std::max<milliseconds>(seconds(10 - ago), milliseconds(500)))
                << id << ": its band has ended, or it is polled until then";
        }
    }
}

TEST_F(TakenUp, ThoseWhoseTurnMayBePastAreSpreadOverWhatIsLeftOfTheirBand) {
    tracker_fixture world; // 5 to 10 s
    std::vector<active_transaction> rows;
    for (int i = 0; i < 200; ++i) rows.push_back(polled(std::to_string(i), seconds(8)));
    world.step(loaded_event{rows, milliseconds(500)});
    int later = 0;
    for (const active_transaction& row : rows) {
        const auto live = world.core.live(*world.core.find(row.id.str()), world.now);
        const milliseconds wait = *live.next_poll_at - world.now.wall;
        EXPECT_LE(wait, seconds(2)) << row.id.str();
        if (wait > milliseconds(1'000)) ++later;
    }
    EXPECT_NEAR(later, 100, 30);
}

TEST_F(TakenUp, TheTailAndVerificationsKeepTheirTimes) {
    vouch();
    active_transaction late = polled("late", minutes(10));
    active_transaction later = polled("later", hours(2));
    for (active_transaction* row : {&late, &later}) {
        row->facts.state = tracking_state::not_found;
        row->facts.status.clear();
    }
    active_transaction verified = settled("verified", minutes(30));
    verified.facts.verifications_done = 1; // no time is left, and yet it is watched
    active_transaction recent = settled("recent", seconds(2));
    recent.facts.verifications_done = 1;
    take_up({late, later, settled("paid", minutes(4)), settled("past", minutes(11)), verified, recent}, seconds(2));
    EXPECT_EQ(wait_of("late"), minutes(50));
    EXPECT_LE(wait_of("later"), seconds(2));
    EXPECT_EQ(wait_of("paid"), minutes(6));
    EXPECT_LE(wait_of("past"), seconds(2));
    EXPECT_LE(wait_of("verified"), seconds(2));
    EXPECT_EQ(wait_of("recent"), seconds(3));
}

TEST_F(TakenUp, ADeadlineThatHasPassedIsRecordedAtOnce) {
    vouch();
    active_transaction late = polled("late", minutes(5));
    late.facts.overdue_at = world_.now.wall;
    take_up({late}, seconds(2));
    EXPECT_EQ(world_.only<change_action>().event, event_type::overdue);
}

TEST_F(TakenUp, ADeadlineThatComesIsWatched) {
    vouch();
    active_transaction late = polled("late", seconds(1));
    late.facts.overdue_at = world_.now.wall + seconds(3);
    take_up({late}, seconds(2));
    EXPECT_TRUE(world_.all<change_action>().empty());
    EXPECT_EQ(world_.core.next_wake(world_.now), world_.now.steady + seconds(3));
    world_.pass(seconds(3));
    world_.step(woken_event{});
    EXPECT_EQ(world_.only<change_action>().event, event_type::overdue);
}

/// The time that this daemon has run says nothing of what another one had until now.
TEST_F(TakenUp, NoDeadlinePassesForTheAgeOfTheDaemonWhileTheClockIsInDoubt) {
    world_.load({});
    world_.pass(hours(30));
    active_transaction row = polled("a", minutes(5));
    row.facts.overdue_at = world_.now.wall - seconds(1);
    EXPECT_TRUE(take_up({row}, seconds(2)).empty());
}

TEST_F(TakenUp, OneThatWasNeverPolledKeepsTheTimeThatWasAnsweredUnlessTheClockWasAWrongOne) {
    world_.load({});
    active_transaction lately = world_.make("lately");
    active_transaction long_ago = world_.make("long-ago");
    lately.facts.tracked_at -= seconds(3);
    long_ago.facts.tracked_at -= hours(3);
    const wall_time answered = lately.facts.tracked_at;
    const wall_time taken_up = world_.now.wall;
    take_up({lately, long_ago}, milliseconds(0));
    for (int i = 0; i < 2; ++i) {
        world_.answer(world_.wait_for_poll().value(), reply_class::good, "pending");
        const auto& change = world_.only<change_action>();
        EXPECT_EQ(change.facts.tracked_at, change.id.str() == "lately" ? answered : taken_up) << change.id.str();
        world_.recorded();
    }
}

TEST_F(TakenUp, ATrackingElsewhereBeginsHereAtOnce) {
    refresh(world_.make("a"));
    const auto poll = world_.core.next_poll(world_.now);
    ASSERT_TRUE(poll);
    world_.answer(*poll, reply_class::good, "pending");
    EXPECT_TRUE(world_.only<change_action>().facts.last_polled_at) << "its age is known: it was tracked in this life";
}

TEST_F(TakenUp, OneThatWasPolledElsewhereIsPolledInItsTurn) {
    refresh(polled("a", seconds(2)));
    EXPECT_EQ(wait_of("a"), seconds(3));
    refresh(polled("b", minutes(2)));
    EXPECT_EQ(wait_of("b"), milliseconds(0));
}

TEST_F(TakenUp, OneThatIsNotWatchedIsNoneOfTheTrackers) {
    active_transaction ended = polled("a", minutes(5));
    ended.facts.watched = false;
    refresh(ended);
    EXPECT_EQ(world_.core.size(), 0U);
}

TEST_F(TakenUp, NewsOfAShardThatWasLetGoAreAnothers) {
    world_.step(let_go_event{shard_set().set(0), false});
    refresh(world_.make("a"));
    refresh(polled("b", minutes(5)));
    EXPECT_EQ(world_.core.size(), 0U);
}

TEST_F(TakenUp, NewsThatAreNotNewerChangeNothing) {
    poll_of_known();
    active_transaction ended = polled("a", seconds(0), 2);
    ended.facts.watched = false;
    refresh(ended);
    EXPECT_TRUE(world_.core.find("a"));
    EXPECT_EQ(world_.core.in_flight(), 1U);
}

TEST_F(TakenUp, OtherOptionsAloneChangeTheRevision) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::unchanged);
    const row_ref row = *world_.core.find("a");
    active_transaction stored{*transaction_id::parse("a"), world_.core.live(row, world_.now).facts, row_revision{3}};
    stored.facts.polls = 1;
    world_.pass(seconds(1));
    refresh(stored);
    EXPECT_EQ(world_.core.revision(row), row_revision{3});
    EXPECT_EQ(wait_of("a"), seconds(4)) << "its turn stays";
    const auto next = world_.wait_for_poll();
    EXPECT_NE(next->ticket.known_body, 0U) << "what Proof said last is known still";
}

TEST_F(TakenUp, AWaitingRowGetsTheNewFactsAndItsTurn) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::unchanged);
    world_.pass(seconds(1));
    active_transaction stored = polled("a", seconds(0), 4);
    stored.facts.status = "processing";
    refresh(stored);
    EXPECT_EQ(wait_of("a"), seconds(4));
    const auto next = world_.wait_for_poll();
    EXPECT_EQ(next->ticket.known_body, 0U);
    world_.answer(*next, reply_class::good, "completed");
    EXPECT_EQ(world_.only<change_action>().previous_status, "processing");
    EXPECT_EQ(world_.only<change_action>().revision, row_revision{4});
}

TEST_F(TakenUp, APollThatWasPromisedIsMadeOfTheNewFacts) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::unchanged);
    world_.pass(seconds(2));
    world_.step(poll_wanted_event{*world_.core.find("a")});
    refresh(settled("a", minutes(1), 4));
    EXPECT_EQ(wait_of("a"), milliseconds(0));
}

TEST_F(TakenUp, WhatWasWantedOfItsFormerOwnerIsPolledFirst) {
    active_transaction overdue = polled("a", seconds(10), 4);
    overdue.facts.state = tracking_state::overdue;
    overdue.is_wanted = true;
    world_.step(loaded_event{{overdue}, seconds(1)});
    EXPECT_EQ(wait_of("a"), milliseconds(0)) << "and not in an hour";
}

TEST_F(TakenUp, WhatWasWantedIsPolledOfARowInMemoryToo) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::unchanged);
    world_.pass(seconds(1));
    active_transaction same = polled("a", seconds(1), 2);
    same.is_wanted = true;
    world_.step(loaded_event{{same}, seconds(1)});
    EXPECT_EQ(wait_of("a"), milliseconds(0)) << "also if memory has the newer facts";
}

TEST_F(TakenUp, ARowInFlightGetsTheNewFactsForItsAnswer) {
    const started_poll poll = poll_of_known();
    active_transaction stored = polled("a", seconds(1), 4);
    stored.facts.status = "processing";
    refresh(stored);
    EXPECT_EQ(world_.core.in_flight(), 1U);
    world_.answer(poll, reply_class::unchanged);
    EXPECT_TRUE(world_.all<change_action>().empty()) << "unchanged says nothing about the new ones";
    EXPECT_EQ(wait_of("a"), seconds(1)) << "so it is asked again";
}

TEST_F(TakenUp, AWaitingRowThatIsNotWatchedAnyMoreGoes) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::unchanged);
    active_transaction ended = polled("a", seconds(0), 3);
    ended.facts.state = tracking_state::untracked;
    ended.facts.watched = false;
    refresh(ended);
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_FALSE(world_.wait_for_poll(hours(48)));
}

TEST_F(TakenUp, ARowInFlightThatIsNotWatchedAnyMoreWaitsForItsAnswerAlone) {
    const started_poll poll = poll_of_known();
    active_transaction ended = polled("a", seconds(0), 3);
    ended.facts.state = tracking_state::untracked;
    ended.facts.watched = false;
    refresh(ended);
    EXPECT_FALSE(world_.core.find("a"));
    EXPECT_EQ(world_.core.in_flight(), 1U);
    world_.answer(poll, reply_class::good, "completed");
    EXPECT_TRUE(world_.all<change_action>().empty());
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_EQ(world_.core.in_flight(), 0U);
}

TEST_F(TakenUp, OneThatIsTrackedAnewElsewhereBeginsAnew) {
    take_up({settled("a", minutes(1))}, milliseconds(0));
    active_transaction anew = world_.make("a");
    anew.revision = row_revision{8};
    refresh(anew);
    ASSERT_TRUE(world_.core.next_poll(world_.now));
    EXPECT_EQ(world_.core.live(*world_.core.find("a"), world_.now).facts.state, tracking_state::tracking);
}

TEST_F(TakenUp, WhileAChangeIsRecordedNewsOfItsRowWait) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::good, "completed");
    const auto change = world_.only<change_action>();
    active_transaction stored = polled("a", seconds(1), 3);
    stored.facts.status = "processing";
    EXPECT_TRUE(refresh(stored).empty());
    EXPECT_TRUE(world_.core.is_recording(*world_.core.find("a")));
    world_.step(stale(change));
    const auto reload = world_.only<reload_action>();
    world_.step(reloaded_event{reload.slot, reload.number, stored});
    EXPECT_EQ(world_.core.revision(*world_.core.find("a")), row_revision{3});
}

/// The store was away when the change was to be written: without a look the row would stay as it was.
TEST_F(TakenUp, AfterNewsARefusedChangeHasTheRowLoadedOnce) {
    const started_poll poll = poll_of_known();
    world_.answer(poll, reply_class::good, "completed");
    const auto change = world_.only<change_action>();
    refresh(polled("a", seconds(1), 3));
    world_.step(refused(change));
    EXPECT_EQ(world_.all<reload_action>().size(), 1U);
    world_.step(refused(change)); // nor could it be read
    EXPECT_TRUE(world_.actions.empty());
    EXPECT_TRUE(world_.wait_for_poll(seconds(9)));
}

} // namespace
} // namespace prooftrack::track
