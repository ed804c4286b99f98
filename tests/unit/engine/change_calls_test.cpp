// Ending the tracking of a transaction and polling one: each state in which the call may find it.

#include "engine/change_calls.hpp"

#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using track::tracking_state;

class ChangeCalls : public testing::Test {
  protected:
    template <class Value>
    static api::backend_handler<Value> keep(std::optional<api::outcome<Value>>& to) {
        return [&to](api::outcome<Value> done) { to = std::move(done); };
    }
    void begin_untrack() { world_.changes->untrack(world_.id("t1"), {}, keep(untracked_)); }
    void begin_poll() { world_.changes->poll_now(world_.id("t1"), {}, keep(polled_)); }
    void begin_hint() { world_.changes->hint(world_.id("t1"), keep(polled_)); }
    std::string untrack() {
        begin_untrack();
        world_.memory.pump();
        return word_of(untracked_);
    }
    std::string poll() {
        begin_poll();
        world_.memory.pump();
        return word_of(polled_);
    }
    std::string hint() {
        begin_hint();
        world_.memory.pump();
        return word_of(polled_);
    }
    /// "ok", or the problem's code; "" = no answer yet.
    template <class Value>
    static std::string word_of(const std::optional<api::outcome<Value>>& done) {
        if (!done) return "";
        const auto* refused = std::get_if<api::problem>(&*done);
        return refused == nullptr ? "ok" : std::string(api::word_of(refused->code));
    }
    template <class Value>
    static std::string detail_of(const std::optional<api::outcome<Value>>& done) {
        return std::get<api::problem>(done.value()).detail;
    }

    /// On the disk alone, in this state.
    void store_one(tracking_state state, const std::string& status) {
        world_.add_settled("t1");
        stored().state = state;
        stored().status = status;
    }
    track::tracking_facts& stored() { return world_.disk.transactions.at("t1").facts; }
    std::optional<track::row_ref> row() { return world_.polls.core().find("t1"); }
    std::optional<wall_time> next_poll() { return world_.polls.live(row().value()).next_poll_at; }
    /// Proof answers the poll that is due; the next one is an interval away.
    void answer_poll() {
        world_.polls.step(track::started_event{});
        auto ticket = world_.polls.next_poll();
        ASSERT_TRUE(ticket);
        track::poll_answer reply;
        reply.what = track::reply_class::good;
        reply.status = "pending";
        reply.body_hash = 1;
        world_.polls.on_answer(std::move(*ticket), std::move(reply));
        world_.memory.pump();
    }
    /// A change of the row that is not durable yet.
    void begin_change() {
        world_.polls.follow_clock();
        world_.polls.step_at_once(track::untracked_event{row().value()});
    }

    use_case_world world_;
    std::optional<api::outcome<track::transaction_view>> untracked_;
    std::optional<api::outcome<std::monostate>> polled_;
};

// ---- untrack

TEST_F(ChangeCalls, AnUntrackedOneIsShownAsItIsStored) {
    world_.track("t1");
    EXPECT_EQ(untrack(), "ok");
    const auto& view = std::get<track::transaction_view>(untracked_.value());
    EXPECT_EQ(view.facts.state, tracking_state::untracked);
    EXPECT_EQ(view.next_poll_at, std::nullopt);
    EXPECT_EQ(stored().state, tracking_state::untracked);
    EXPECT_FALSE(row().has_value());
    EXPECT_EQ(world_.log.count(observe::log_event_id::transaction_untracked), 1U);
}

TEST_F(ChangeCalls, AnUnknownOneIsNotUntracked) {
    EXPECT_EQ(untrack(), "unknown_transaction");
    EXPECT_EQ(detail_of(untracked_), "'t1' is not tracked here: `prooftrackctl track t1` tracks it");
}

TEST_F(ChangeCalls, WhatHasEndedIsNotUntracked) {
    store_one(tracking_state::abandoned, "pending");
    EXPECT_EQ(untrack(), "already_ended");
    EXPECT_EQ(detail_of(untracked_), "'t1' is abandoned already");
    EXPECT_EQ(stored().state, tracking_state::abandoned);
}

TEST_F(ChangeCalls, ASettledOneThatIsStillPolledIsNotUntracked) {
    store_one(tracking_state::settled, "failed");
    ASSERT_EQ(poll(), "ok");
    ASSERT_TRUE(row().has_value()) << "memory holds it";
    EXPECT_EQ(untrack(), "already_ended");
    EXPECT_EQ(detail_of(untracked_), "'t1' is settled already");
    EXPECT_TRUE(row().has_value());
}

TEST_F(ChangeCalls, OneThatIsAboutToEnterMemoryIsUntrackedOnceItHas) {
    world_.disk.add_one({world_.id("t1"), "{}", std::nullopt, "", world_.clock.now().wall, 24h, {}});
    begin_untrack();
    world_.step();
    EXPECT_EQ(word_of(untracked_), "") << "the disk has it, memory not yet: it looks again";
    const fake_disk::transaction_row& there = world_.disk.transactions.at("t1");
    world_.polls.step(track::tracked_event{{world_.id("t1"), there.facts, there.revision}, false});
    world_.memory.pump();
    EXPECT_EQ(word_of(untracked_), "ok");
    EXPECT_EQ(world_.disk.transactions.at("t1").facts.state, tracking_state::untracked);
}

TEST_F(ChangeCalls, OneThatNeverEntersMemoryIsGivenUpAfterSixLooks) {
    store_one(tracking_state::tracking, "pending");
    EXPECT_EQ(untrack(), "unavailable");
    EXPECT_EQ(detail_of(untracked_), "'t1' is being changed again and again: try again");
    EXPECT_EQ(world_.memory.operations(), 6U);
    EXPECT_EQ(stored().state, tracking_state::tracking);
}

TEST_F(ChangeCalls, AnUntrackingThatWasJudgedForAnOlderRowIsJudgedAnew) {
    world_.track("t1");
    world_.memory.fail_operation(1, store::store_error::stale);
    EXPECT_EQ(untrack(), "ok");
    EXPECT_EQ(stored().state, tracking_state::untracked);
}

// ---- poll and hint

TEST_F(ChangeCalls, AWishAndAHintPollWithinASecond) {
    world_.track("t1");
    answer_poll();
    world_.log.clear();
    ASSERT_GT(next_poll(), world_.clock.now().wall + 1s);
    EXPECT_EQ(hint(), "ok");
    EXPECT_LE(next_poll(), world_.clock.now().wall + 1s);
    EXPECT_EQ(world_.log.count(observe::log_event_id::api_change), 0U) << "a hint changes nothing";
    EXPECT_EQ(poll(), "ok");
    EXPECT_EQ(world_.log.of(observe::log_event_id::api_change).at(0).at("action"), "poll");
}

TEST_F(ChangeCalls, AStoredOneThatFailedIsPolledOnceMore) {
    for (const bool is_hint : {true, false}) {
        store_one(tracking_state::settled, "failed");
        EXPECT_EQ(is_hint ? hint() : poll(), "ok");
        EXPECT_TRUE(row().has_value());
        EXPECT_EQ(is_hint ? hint() : poll(), "ok") << "it is in memory now";
    }
}

TEST_F(ChangeCalls, ACompletedOneIsPolledWhenAUserWantsItAndNotForAHint) {
    store_one(tracking_state::settled, "completed");
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_FALSE(row().has_value());
    EXPECT_EQ(poll(), "ok");
    EXPECT_TRUE(row().has_value());
    EXPECT_EQ(hint(), "unknown_transaction") << "in memory it is the same";
    EXPECT_EQ(poll(), "ok");
}

TEST_F(ChangeCalls, AnAbandonedOneIsPolledWhenAUserWantsItAndNotForAHint) {
    store_one(tracking_state::abandoned, "pending");
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_FALSE(row().has_value());
    EXPECT_EQ(poll(), "ok");
    EXPECT_TRUE(row().has_value());
}

TEST_F(ChangeCalls, AnUntrackedOneIsNotPolled) {
    store_one(tracking_state::untracked, "pending");
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_EQ(poll(), "already_ended");
    EXPECT_EQ(detail_of(polled_), "'t1' is untracked already");
    EXPECT_FALSE(row().has_value());
}

TEST_F(ChangeCalls, AnUnknownOneIsNotPolled) {
    EXPECT_EQ(hint(), "unknown_transaction");
    EXPECT_EQ(poll(), "unknown_transaction");
}

TEST_F(ChangeCalls, APollOfOneThatNeverEntersMemoryIsGivenUpAfterSixLooks) {
    store_one(tracking_state::tracking, "pending");
    EXPECT_EQ(poll(), "unavailable");
    EXPECT_EQ(detail_of(polled_), "'t1' is being changed again and again: try again");
    EXPECT_EQ(world_.memory.operations(), 6U);
}

TEST_F(ChangeCalls, APollWaitsForAChangeThatMayBeTheEnd) {
    world_.track("t1");
    begin_change();
    begin_poll();
    EXPECT_EQ(word_of(polled_), "");
    world_.memory.pump();
    EXPECT_EQ(word_of(polled_), "already_ended") << "it was";
    EXPECT_EQ(detail_of(polled_), "'t1' is untracked already");
}

TEST_F(ChangeCalls, APollGoesOnWhenTheChangeIsRefused) {
    world_.track("t1");
    world_.memory.set_full(true);
    begin_change();
    EXPECT_EQ(poll(), "ok");
    EXPECT_LE(next_poll(), world_.clock.now().wall + 1s);
}

TEST_F(ChangeCalls, APollIsStillMadeWhenAnUntrackingThatCameAfterItIsRefused) {
    world_.track("t1");
    answer_poll();
    begin_poll();
    world_.memory.set_full(true);
    EXPECT_EQ(untrack(), "store_unavailable");
    EXPECT_EQ(word_of(polled_), "ok");
    EXPECT_LE(next_poll(), world_.clock.now().wall + 1s);
}

TEST_F(ChangeCalls, APollWaitsForFiveChangesAndNoMore) {
    world_.track("t1");
    world_.memory.set_full(true);
    int changes = 0;
    // Whoever was first to wait begins another change each time, before the poll looks again.
    std::function<void()> change_again = [&] {
        ++changes;
        begin_change();
        world_.polls.after_change(row().value(), [&](const op_result<std::monostate>&) {
            if (changes < 6) change_again();
        });
    };
    change_again();
    begin_poll();
    for (int waited = 1; waited <= 5; ++waited) {
        EXPECT_EQ(word_of(polled_), "") << waited;
        world_.step();
    }
    EXPECT_EQ(word_of(polled_), "ok") << "the row keeps the wish until its change has ended";
    EXPECT_EQ(changes, 6);
    EXPECT_TRUE(world_.polls.core().is_recording(row().value()));
    world_.memory.pump();
    EXPECT_FALSE(world_.polls.core().is_recording(row().value()));
    EXPECT_LE(next_poll(), world_.clock.now().wall + 1s);
}

} // namespace
} // namespace prooftrack::engine
