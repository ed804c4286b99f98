// Shards that are let go and taken up while polls are in flight: what leaves memory, when, and with which facts.

#include <algorithm>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

/// 5 s from start to start, 8 s after an error, without chance; no verification.
tracker_options without_chance() {
    tracker_options options;
    options.rules.interval = {seconds(5), seconds(5)};
    options.rules.backoff = {seconds(8), seconds(8)};
    options.rules.verify_after.clear();
    return options;
}

shard_set only(std::uint8_t shard) { return shard_set().set(shard); }

class Shards : public testing::Test {
  protected:
    active_transaction make(const std::string& id, std::uint8_t shard = 7) const {
        active_transaction row = world_.make(id);
        row.shard = shard;
        return row;
    }
    void track(const std::string& id, std::uint8_t shard = 7) { world_.step(tracked_event{make(id, shard), false}); }
    void let_go(bool keep_facts = true, std::uint8_t shard = 7) { world_.step(let_go_event{only(shard), keep_facts}); }
    /// A poll of the one row that has been recorded as pending.
    started_poll poll_of_known() {
        track("a");
        world_.answer(*world_.wait_for_poll(), reply_class::good, "pending");
        world_.recorded();
        return world_.wait_for_poll().value();
    }
    std::vector<active_transaction> saved() const {
        std::vector<active_transaction> rows;
        for (const save_action& one : world_.all<save_action>())
            rows.insert(rows.end(), one.transactions.begin(), one.transactions.end());
        return rows;
    }
    bool is_known(const std::string& id = "a") const { return world_.core.find(id).has_value(); }

    tracker_fixture world_{without_chance()};
};

TEST_F(Shards, WhatWaitsIsForgottenAtOnceAndItsFactsGoToTheStore) {
    poll_of_known();
    track("b", 8);
    track("c");
    const started_poll other = world_.wait_for_poll().value();
    ASSERT_EQ(other.ticket.id, "b");
    ASSERT_EQ(world_.wait_for_poll()->ticket.id, "c");
    world_.answer(other, reply_class::good, "pending");
    world_.recorded();
    track("d");
    const auto before = world_.core.all(world_.now);
    let_go();
    EXPECT_TRUE(is_known("a")) << "in flight";
    EXPECT_TRUE(is_known("b")) << "another shard";
    EXPECT_TRUE(is_known("c")) << "in flight";
    EXPECT_FALSE(is_known("d"));
    ASSERT_EQ(saved().size(), 1U);
    EXPECT_EQ(saved()[0].id.str(), "d");
    EXPECT_EQ(saved()[0].shard, 7);
    const auto of_d = std::find_if(before.begin(), before.end(), [](const auto& row) { return row.id.str() == "d"; });
    ASSERT_NE(of_d, before.end());
    EXPECT_EQ(saved()[0].facts, of_d->facts);
    EXPECT_EQ(saved()[0].revision, of_d->revision);
    EXPECT_EQ(world_.core.count_in(only(7)), 2U);
    EXPECT_EQ(world_.core.count_in(only(7) | only(8)), 3U);
    EXPECT_EQ(world_.core.shard_of(*world_.core.find("b")), 8);
}

TEST_F(Shards, WithoutKeepingNothingIsSaved) {
    const started_poll poll = poll_of_known();
    track("b");
    let_go(false);
    EXPECT_FALSE(is_known("b"));
    EXPECT_TRUE(world_.actions.empty());
    world_.answer(poll, reply_class::unchanged);
    EXPECT_FALSE(is_known());
    EXPECT_TRUE(world_.actions.empty());
}

TEST_F(Shards, WhatIsForgottenHasNoPollAndNoDeadlineLeft) {
    world_.step(tracked_event{make("a"), false});
    let_go();
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_FALSE(world_.wait_for_poll(hours(48)));
    EXPECT_EQ(world_.core.count_in(all_shards()), 0U);
}

TEST_F(Shards, AnAnswerThatChangesNothingEndsTheRow) {
    const started_poll poll = poll_of_known();
    let_go();
    EXPECT_TRUE(world_.actions.empty());
    world_.pass(seconds(1));
    world_.answer(poll, reply_class::unchanged);
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_EQ(world_.core.in_flight(), 0U);
    ASSERT_EQ(saved().size(), 1U);
    EXPECT_EQ(saved()[0].facts.polls, 2U);
    EXPECT_EQ(saved()[0].facts.last_polled_at, world_.now.wall - seconds(1));
    EXPECT_EQ(saved()[0].revision, row_revision{2});
}

TEST_F(Shards, AnErrorEndsTheRowToo) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.answer(poll, reply_class::no_reply);
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_EQ(saved().size(), 1U);
}

TEST_F(Shards, ALateAnswersChangeIsRecordedAndThenTheRowGoes) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.answer(poll, reply_class::good, "processing");
    EXPECT_EQ(world_.only<change_action>().facts.status, "processing");
    EXPECT_TRUE(saved().empty());
    EXPECT_TRUE(is_known());
    world_.recorded();
    EXPECT_EQ(world_.core.size(), 0U);
    ASSERT_EQ(saved().size(), 1U);
    EXPECT_EQ(saved()[0].facts.status, "processing");
    EXPECT_EQ(saved()[0].revision, row_revision{3});
}

TEST_F(Shards, OneThatEndsWithItsChangeHasNothingElseToBeSaved) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.answer(poll, reply_class::good, "completed");
    world_.recorded();
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_TRUE(world_.actions.empty());
}

TEST_F(Shards, AChangeThatIsRefusedEndsTheRowWithItsOldFacts) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.answer(poll, reply_class::good, "completed");
    world_.recorded(false);
    EXPECT_EQ(world_.core.size(), 0U);
    ASSERT_EQ(saved().size(), 1U);
    EXPECT_EQ(saved()[0].facts.status, "pending");
    EXPECT_EQ(saved()[0].facts.state, tracking_state::tracking);
}

TEST_F(Shards, ARowThatIsLoadedAgainAfterAStaleChangeGoes) {
    for (const std::uint32_t revision : {2U, 9U}) {
        tracker_fixture world(without_chance());
        world.step(tracked_event{make("a"), false});
        world.answer(*world.wait_for_poll(), reply_class::good, "pending");
        world.recorded();
        const started_poll poll = world.wait_for_poll().value();
        world.step(let_go_event{only(7), false});
        world.answer(poll, reply_class::good, "completed");
        world.step(stale(world.only<change_action>()));
        const auto reload = world.only<reload_action>();
        active_transaction stored = make("a");
        stored.revision = row_revision{revision};
        stored.facts.status = "processing";
        world.step(reloaded_event{reload.slot, reload.number, stored});
        EXPECT_EQ(world.core.size(), 0U) << revision;
        EXPECT_TRUE(world.actions.empty()) << revision;
    }
}

TEST_F(Shards, AnUntrackingThatIsRecordedEndsWithTheAnswerInFlight) {
    for (const bool is_durable : {true, false}) {
        tracker_fixture world(without_chance());
        world.step(tracked_event{make("a"), false});
        const started_poll poll = world.wait_for_poll().value();
        world.step(untracked_event{*world.core.find("a")});
        const auto change = world.only<change_action>();
        world.step(let_go_event{only(7), true});
        world.step(is_durable ? durable(change) : refused(change));
        EXPECT_EQ(world.core.count_in(only(7)), 1U);
        EXPECT_EQ(world.core.in_flight(), 1U);
        world.answer(poll, reply_class::no_reply);
        EXPECT_EQ(world.core.size(), 0U);
        EXPECT_EQ(world.all<save_action>().size(), is_durable ? 0U : 1U);
    }
}

TEST_F(Shards, TheLatestWordOnKeepingFactsCounts) {
    const started_poll poll = poll_of_known();
    let_go(true);
    let_go(false); // the lease ran out meanwhile: the facts are another's
    world_.answer(poll, reply_class::unchanged);
    EXPECT_EQ(world_.core.size(), 0U);
    EXPECT_TRUE(saved().empty());
}

TEST_F(Shards, AShardThatIsHeldAgainKeepsWhatIsInFlight) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.step(held_event{only(7)});
    world_.answer(poll, reply_class::unchanged);
    EXPECT_TRUE(is_known());
    EXPECT_TRUE(saved().empty());
    track("b");
    EXPECT_TRUE(is_known("b"));
}

TEST_F(Shards, OneThatIsLoadedAgainStaysAndIsNotAskedASecondTime) {
    const started_poll poll = poll_of_known();
    let_go();
    active_transaction stored = make("a");
    stored.revision = row_revision{2};
    stored.facts.status = "pending";
    world_.step(loaded_event{{stored}, milliseconds(0)});
    EXPECT_EQ(world_.core.size(), 1U);
    EXPECT_FALSE(world_.wait_for_poll(hours(1)));
    world_.answer(poll, reply_class::unchanged);
    EXPECT_TRUE(is_known());
    EXPECT_TRUE(saved().empty());
}

TEST_F(Shards, OneThatIsLoadedAgainWithNewerFactsGetsThem) {
    const started_poll poll = poll_of_known();
    let_go(false);
    active_transaction stored = make("a");
    stored.revision = row_revision{5};
    stored.facts.status = "processing";
    stored.facts.polls = 9;
    stored.facts.last_polled_at = world_.now.wall;
    world_.step(loaded_event{{stored}, seconds(1)});
    EXPECT_EQ(world_.core.in_flight(), 1U);
    world_.answer(poll, reply_class::good, "completed");
    EXPECT_EQ(world_.only<change_action>().revision, row_revision{5});
    EXPECT_EQ(world_.only<change_action>().previous_status, "processing");
}

TEST_F(Shards, ATrackingOfAShardThatWasLetGoIsAnothers) {
    let_go();
    track("a");
    EXPECT_EQ(world_.core.size(), 0U);
    track("b", 8);
    EXPECT_TRUE(is_known("b"));
}

TEST_F(Shards, OneThatIsAskedOnceIsAskedWhoeverHasItsShard) {
    let_go();
    active_transaction ended = make("a");
    ended.facts.state = tracking_state::abandoned;
    ended.facts.watched = false;
    world_.step(tracked_event{ended, true});
    const auto poll = world_.wait_for_poll(seconds(0));
    ASSERT_TRUE(poll);
    world_.answer(*poll, reply_class::no_reply);
    EXPECT_EQ(world_.core.size(), 0U) << "the next attempt is its owner's";
}

TEST_F(Shards, APollThatWasPromisedOfALeavingRowKeepsItNot) {
    const started_poll poll = poll_of_known();
    let_go();
    world_.step(poll_wanted_event{*world_.core.find("a")});
    world_.answer(poll, reply_class::unchanged);
    EXPECT_EQ(world_.core.size(), 0U);
    ASSERT_EQ(saved().size(), 1U);
    EXPECT_TRUE(saved()[0].is_wanted) << "its next owner makes it";
}

TEST_F(Shards, WhatWasWantedWhileItWaitsIsWantedOfTheNextOwner) {
    world_.answer(poll_of_known(), reply_class::unchanged);
    track("b");
    world_.step(poll_wanted_event{*world_.core.find("a")});
    let_go();
    ASSERT_EQ(saved().size(), 2U);
    for (const active_transaction& row : saved()) EXPECT_EQ(row.is_wanted, row.id.str() == "a") << row.id.str();
}

TEST_F(Shards, OneThatComesBackAtOnceKeepsTheSecondBetweenItsPolls) {
    const started_poll poll = poll_of_known();
    const steady_time began = world_.now.steady;
    let_go(false);
    world_.answer(poll, reply_class::unchanged);
    ASSERT_EQ(world_.core.size(), 0U);
    world_.step(loaded_event{{make("a")}, milliseconds(0)}); // its last poll is not stored
    ASSERT_TRUE(world_.wait_for_poll());
    EXPECT_EQ(world_.now.steady - began, seconds(5));
}

} // namespace
} // namespace prooftrack::track
