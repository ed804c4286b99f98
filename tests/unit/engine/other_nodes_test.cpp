// Calls about transactions that another daemon on the same database holds.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using track::tracking_state;

class OtherNodes : public testing::Test {
  protected:
    OtherNodes() { world_.join(); }

    template <class Value>
    static api::backend_handler<Value> keep(std::optional<api::outcome<Value>>& to) {
        return [&to](api::outcome<Value> done) { to = std::move(done); };
    }
    template <class Value>
    static std::string word_of(const std::optional<api::outcome<Value>>& done) {
        if (!done) return "";
        const auto* refused = std::get_if<api::problem>(&*done);
        return refused == nullptr ? "ok" : std::string(api::word_of(refused->code));
    }
    std::string untrack() {
        untracked_.reset();
        world_.changes->untrack(world_.id("t1"), {}, keep(untracked_));
        world_.memory.pump();
        return word_of(untracked_);
    }
    std::string poll() {
        polled_.reset();
        world_.changes->poll_now(world_.id("t1"), {}, keep(polled_));
        world_.memory.pump();
        return word_of(polled_);
    }
    std::string hint() {
        polled_.reset();
        world_.changes->hint(world_.id("t1"), keep(polled_));
        world_.memory.pump();
        return word_of(polled_);
    }
    void wait_for(const char* text, milliseconds wait = 30s) {
        world_.lookup->get(world_.id(text), wait, keep(waited_));
        world_.memory.pump();
    }
    std::string waited_state() const {
        if (!waited_) return "";
        return std::string(to_string(std::get<track::transaction_view>(*waited_).facts.state));
    }
    /// The part of the waits in the engine's alarm, until then.
    void run_to(steady_time end) {
        while (world_.lookup->next_wake() && *world_.lookup->next_wake() <= end) {
            world_.clock.run_until(*world_.lookup->next_wake());
            world_.lookup->on_wake(world_.clock.now());
            world_.memory.pump();
        }
        world_.clock.run_until(end);
    }
    std::string bulk() {
        std::optional<api::outcome<api::untrack_summary>> done;
        world_.bulk->untrack_matching({{}, false}, {}, keep(done));
        world_.memory.pump();
        if (!done || word_of(done) != "ok") return word_of(done);
        return std::to_string(std::get<api::untrack_summary>(*done).untracked);
    }
    tracking_state stored_state(const char* text) { return world_.disk.transactions.at(text).facts.state; }
    bool is_in_memory(const char* text) { return world_.polls.core().find(text).has_value(); }

    use_case_world world_;
    std::optional<api::outcome<track::transaction_view>> untracked_;
    std::optional<api::outcome<std::monostate>> polled_;
    std::optional<api::outcome<track::transaction_view>> waited_;
    const steady_time start_ = world_.clock.now().steady;
};

TEST_F(OtherNodes, WhatIsTrackedHereIsPolledByWhoHoldsIt) {
    world_.track("t1");
    EXPECT_FALSE(is_in_memory("t1"));
    EXPECT_EQ(stored_state("t1"), tracking_state::tracking);
    EXPECT_EQ(world_.log.count(observe::log_event_id::transaction_tracked), 1U);
    world_.polls.hold(all_shards());
    world_.track("t2");
    EXPECT_TRUE(is_in_memory("t2"));
}

TEST_F(OtherNodes, AnImportTakesInWhatIsHeld) {
    world_.polls.hold(shard_set().set(2));
    std::vector<api::import_line> lines;
    for (const char* text : {"a", "b", "c"}) lines.push_back({1, world_.request(text), true});
    world_.tracking->import(std::move(lines), {}, [](const api::outcome<api::import_summary>&) {});
    world_.memory.pump();
    EXPECT_FALSE(is_in_memory("a"));
    EXPECT_TRUE(is_in_memory("b"));
    EXPECT_FALSE(is_in_memory("c"));
}

TEST_F(OtherNodes, AViewNamesTheOwner) {
    const transaction_views views(
        world_.memory, world_.polls, [](std::uint8_t shard) { return shard == 1 ? "node-a" : ""; });
    world_.track("t1");
    world_.track("t2");
    const auto shown = [&](const char* text) {
        return views.with_live(world_.disk.view_of(text, world_.disk.transactions.at(text)));
    };
    EXPECT_EQ(shown("t1").node, "node-a");
    EXPECT_EQ(shown("t1").next_poll_at, std::nullopt);
    EXPECT_EQ(shown("t2").node, "") << "nobody owns it just now";
    EXPECT_EQ(world_.views->with_live(shown("t2")).node, "");
}

// ---- untrack

TEST_F(OtherNodes, ARowOfAnotherNodeIsUntrackedInTheStore) {
    world_.track("t1");
    wait_for("t1");
    EXPECT_EQ(untrack(), "ok");
    EXPECT_EQ(std::get<track::transaction_view>(untracked_.value()).facts.state, tracking_state::untracked);
    EXPECT_EQ(stored_state("t1"), tracking_state::untracked);
    EXPECT_FALSE(world_.disk.transactions.at("t1").facts.watched);
    EXPECT_EQ(world_.disk.transactions.at("t1").history.back().to_state, tracking_state::untracked);
    EXPECT_EQ(world_.log.of(observe::log_event_id::transaction_untracked).at(0).at("from_state"), "tracking");
    EXPECT_EQ(waited_state(), "untracked") << "the listener hears as of a change of its own";
    EXPECT_FALSE(is_in_memory("t1"));
    EXPECT_EQ(untrack(), "already_ended");
}

TEST_F(OtherNodes, AnUntrackingIsJudgedAgainWhenTheOwnerWasFirst) {
    world_.track("t1");
    world_.changes->untrack(world_.id("t1"), {}, keep(untracked_));
    world_.step(); // it has read the row
    world_.change_elsewhere("t1", tracking_state::overdue);
    world_.memory.pump();
    EXPECT_EQ(word_of(untracked_), "ok");
    EXPECT_EQ(world_.disk.transactions.at("t1").history.back().from_state, tracking_state::overdue);

    world_.track("t2");
    std::optional<api::outcome<track::transaction_view>> second;
    world_.changes->untrack(world_.id("t2"), {}, keep(second));
    world_.step();
    world_.change_elsewhere("t2", tracking_state::settled);
    world_.memory.pump();
    EXPECT_EQ(word_of(second), "already_ended");
    EXPECT_EQ(stored_state("t2"), tracking_state::settled);
}

TEST_F(OtherNodes, AnUntrackingOfWhatChangesAgainAndAgainIsGivenUp) {
    world_.track("t1");
    world_.changes->untrack(world_.id("t1"), {}, keep(untracked_));
    for (int i = 0; i < 100 && !untracked_; ++i) {
        world_.step();
        world_.change_elsewhere("t1", tracking_state::overdue);
    }
    EXPECT_EQ(word_of(untracked_), "unavailable");
}

TEST_F(OtherNodes, AnUntrackingThatCannotBeWrittenIsRefused) {
    world_.track("t1");
    world_.memory.set_full(true);
    EXPECT_EQ(untrack(), "store_unavailable");
    EXPECT_EQ(stored_state("t1"), tracking_state::tracking);
    EXPECT_EQ(world_.log.count(observe::log_event_id::transaction_untracked), 0U);
}

TEST_F(OtherNodes, WhatAnotherNodeHasJustTakenForThisOneIsTakenIn) {
    world_.polls.hold(all_shards());
    world_.track_elsewhere("t1");
    EXPECT_EQ(poll(), "ok");
    EXPECT_TRUE(is_in_memory("t1"));
    EXPECT_THAT(world_.cluster.wanted, IsEmpty());
    world_.track_elsewhere("t2");
    EXPECT_EQ(bulk(), "2");
    EXPECT_EQ(stored_state("t2"), tracking_state::untracked);
    world_.track_elsewhere("t3");
    std::optional<api::outcome<track::transaction_view>> third;
    world_.changes->untrack(world_.id("t3"), {}, keep(third));
    world_.memory.pump();
    EXPECT_EQ(word_of(third), "ok");
}

TEST_F(OtherNodes, ManyAreUntrackedThoughAnotherNodeHasJustChangedSome) {
    world_.polls.hold(all_shards());
    for (const char* text : {"a", "b", "c"}) world_.track(text);
    fake_disk::raise(world_.disk.transactions.at("b")); // other options: the news are still to come
    EXPECT_EQ(bulk(), "3");
    EXPECT_EQ(stored_state("b"), tracking_state::untracked);
}

/// A shard has just been gained, and its rows are on their way from the store.
TEST_F(OtherNodes, WhatIsStillBeingLoadedIsNoNewTracking) {
    for (const char* text : {"t1", "t2", "t3"}) {
        world_.track(text);
        track::tracking_facts& facts = world_.disk.transactions.at(text).facts;
        facts.tracked_at -= 3h;
        facts.last_polled_at = world_.clock.now().wall - 5min;
        facts.polls = 4;
    }
    const auto since = world_.disk.transactions.at("t1").facts.tracked_at;
    world_.polls.hold(all_shards());
    EXPECT_EQ(poll(), "ok");
    const auto row = world_.polls.core().find("t1");
    ASSERT_TRUE(row);
    EXPECT_EQ(world_.polls.live(*row).facts.tracked_at, since);
    EXPECT_EQ(world_.polls.live(*row).next_poll_at, world_.clock.now().wall);
    EXPECT_EQ(untrack(), "ok");
    EXPECT_EQ(bulk(), "2");
    for (const char* text : {"t1", "t2", "t3"}) {
        EXPECT_EQ(stored_state(text), tracking_state::untracked) << text;
        EXPECT_EQ(world_.disk.transactions.at(text).facts.tracked_at, since) << text;
        EXPECT_EQ(world_.disk.transactions.at(text).facts.polls, 4U) << text;
    }
}

TEST_F(OtherNodes, ASettledOneThatIsStillBeingLoadedKeepsItsVerification) {
    world_.track("t1");
    world_.change_elsewhere("t1", tracking_state::settled);
    track::tracking_facts& facts = world_.disk.transactions.at("t1").facts;
    facts.watched = true;
    facts.status = "failed";
    facts.polls = 4;
    facts.settled_at = world_.clock.now().wall - 1min;
    facts.last_polled_at = facts.settled_at;
    world_.polls.hold(all_shards());
    EXPECT_EQ(poll(), "ok");
    const auto row = world_.polls.core().find("t1");
    ASSERT_TRUE(row);
    EXPECT_TRUE(world_.polls.live(*row).facts.watched) << "the poll that was wanted is not its last one";
    EXPECT_EQ(hint(), "ok");
    EXPECT_THAT(world_.cluster.wanted, IsEmpty());
}

TEST_F(OtherNodes, ManyAreUntrackedWhoeverHoldsThem) {
    world_.polls.hold(shard_set().set(2));
    for (const char* text : {"a", "b", "c"}) world_.track(text);
    ASSERT_TRUE(is_in_memory("b"));
    EXPECT_EQ(bulk(), "3");
    for (const char* text : {"a", "b", "c"}) EXPECT_EQ(stored_state(text), tracking_state::untracked) << text;
    EXPECT_EQ(world_.log.count(observe::log_event_id::transaction_untracked), 3U);
    world_.track("d");
    world_.memory.fail_operation(2, store::store_error::stale);
    EXPECT_EQ(bulk(), "1") << "it was another one by then, and matched again";
    world_.track("e");
    world_.memory.fail_operation(2, store::store_error::full);
    EXPECT_EQ(bulk(), "store_unavailable");
}

// ---- poll and hint

TEST_F(OtherNodes, TheOwnerIsAskedForAPoll) {
    world_.track("t1");
    EXPECT_EQ(poll(), "ok");
    EXPECT_EQ(hint(), "ok");
    EXPECT_THAT(world_.cluster.wanted, ElementsAre("t1", "t1"));
    EXPECT_FALSE(is_in_memory("t1"));
    world_.cluster.refuse_polls = store::store_error::unreachable;
    EXPECT_EQ(poll(), "store_unavailable");
    world_.cluster.refuse_polls = store::store_error::not_found;
    world_.cluster.wanted.clear();
    EXPECT_EQ(poll(), "unavailable") << "it looked again";
    EXPECT_EQ(world_.cluster.wanted.size(), 6U);
}

TEST_F(OtherNodes, ASettledOneIsPolledByWhoWatchesItOrElseHere) {
    world_.track("t1");
    world_.change_elsewhere("t1", tracking_state::settled);
    track::tracking_facts& facts = world_.disk.transactions.at("t1").facts;
    facts.watched = true;
    facts.status = "failed";
    EXPECT_EQ(hint(), "ok");
    facts.status = "completed";
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_EQ(poll(), "ok");
    EXPECT_THAT(world_.cluster.wanted, ElementsAre("t1", "t1"));
    facts.watched = false;
    EXPECT_EQ(poll(), "ok");
    EXPECT_EQ(world_.cluster.wanted.size(), 2U);
    EXPECT_TRUE(is_in_memory("t1")) << "once";
    EXPECT_EQ(untrack(), "already_ended");
}

TEST_F(OtherNodes, WhatCannotBePolledIsRefusedAsEver) {
    EXPECT_EQ(poll(), "unknown_transaction");
    EXPECT_EQ(hint(), "unknown_transaction");
    world_.track("t1");
    world_.change_elsewhere("t1", tracking_state::untracked);
    EXPECT_EQ(poll(), "already_ended");
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_THAT(world_.cluster.wanted, IsEmpty());
}

// ---- options

TEST_F(OtherNodes, OptionsOfARowOfAnotherNodeAreSetInTheStore) {
    world_.track("t1");
    api::options_patch patch;
    patch.metadata = api::options_patch::metadata_text{R"({"a":1})", R"({"a":1})"};
    std::optional<api::outcome<track::transaction_view>> set;
    world_.options->set_options(world_.id("t1"), patch, {}, keep(set));
    world_.memory.pump();
    EXPECT_EQ(word_of(set), "ok");
    EXPECT_EQ(world_.disk.transactions.at("t1").metadata, R"({"a":1})");
    EXPECT_FALSE(is_in_memory("t1"));
}

// ---- waits

TEST_F(OtherNodes, AWaitEndsWithTheEventOfAnotherNode) {
    world_.track("t1");
    wait_for("t1");
    track::event_facts event;
    event.id = track::make_event_id(world_.clock.now().wall, world_.random);
    event.transaction = "t1";
    event.metadata = R"({"data":{"merchant_transaction_id":"t2"}})";
    world_.lookup->on_foreign_event(track::format_event(event));
    world_.memory.pump();
    EXPECT_EQ(waited_state(), "") << "it has not ended";
    world_.change_elsewhere("t1", tracking_state::settled);
    const std::uint64_t reads = world_.memory.operations();
    event.transaction = "t2";
    world_.lookup->on_foreign_event(track::format_event(event));
    EXPECT_EQ(world_.memory.waiting(), 0U) << "nobody waits for it";
    event.transaction = "t1";
    world_.lookup->on_foreign_event(track::format_event(event));
    world_.memory.pump();
    EXPECT_EQ(waited_state(), "settled");
    EXPECT_EQ(world_.memory.operations(), reads + 1);
    EXPECT_EQ(world_.lookup->next_wake(), std::nullopt);
}

TEST_F(OtherNodes, AWaitLooksAgainEachSecondForAnEndWithoutAnEvent) {
    world_.track("t1");
    world_.track("t2");
    wait_for("t1");
    wait_for("t1");
    world_.lookup->get(world_.id("t2"), 30s, [](const api::outcome<track::transaction_view>&) {});
    world_.memory.pump();
    EXPECT_EQ(world_.lookup->next_wake(), start_ + 1s);
    const std::uint64_t reads = world_.memory.operations();
    run_to(start_ + 2s);
    EXPECT_EQ(world_.memory.operations(), reads + 4) << "each id once a second";
    EXPECT_EQ(waited_state(), "");
    world_.change_elsewhere("t1", tracking_state::untracked);
    run_to(start_ + 3s);
    EXPECT_EQ(waited_state(), "untracked");
    world_.memory.fail_operation(1, store::store_error::unreachable);
    run_to(start_ + 4s);
    EXPECT_EQ(world_.lookup->next_wake(), start_ + 5s) << "a read that fails ends nothing";
    world_.change_elsewhere("t2", tracking_state::abandoned);
    run_to(start_ + 5s);
    EXPECT_EQ(world_.lookup->next_wake(), std::nullopt);
}

TEST_F(OtherNodes, OneThatIsPrunedWhileItIsWaitedForIsUnknown) {
    world_.track("t1");
    wait_for("t1");
    world_.disk.transactions.clear();
    run_to(start_ + 1s);
    EXPECT_EQ(word_of(waited_), "unknown_transaction");
}

TEST(OneNode, AWaitLooksOnceAndThenListens) {
    use_case_world world;
    world.track("t1");
    const steady_time start = world.clock.now().steady;
    world.lookup->get(world.id("t1"), 30s, [](const api::outcome<track::transaction_view>&) {});
    world.memory.pump();
    EXPECT_EQ(world.lookup->next_wake(), start + 30s);
}

} // namespace
} // namespace prooftrack::engine
