// prune: what is too old and owed to nobody goes, in batches.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t day = 86'400'000;
constexpr std::int64_t never = -1000;

/// Five transactions that ended one a day, each with an event and a delivery to "backend" (1 to 5).
class Pruning : public store_contract {
  protected:
    void SetUp() override {
        for (int i = 1; i <= 5; ++i) {
            world.add({make_new("tx-" + std::to_string(i))}).value();
            world.record(make_settlement("tx-" + std::to_string(i), i * day, {"backend"})).value();
        }
    }
    void deliver(std::uint64_t id, track::delivery_state state = track::delivery_state::delivered) {
        world.attempt({delivery_id{id}, at_ms(0), 1, state, 200, "", std::nullopt});
    }
    void deliver_all() {
        for (std::uint64_t id = 1; id <= 5; ++id) deliver(id);
    }
    /// Until there is no more: what ended before the `ended`th day; consumers lose what is older than the `consumed`th.
    prune_result prune(std::int64_t ended, std::int64_t consumed = never, std::size_t limit = 500) {
        prune_result all;
        for (int calls = 0; calls < 100; ++calls) {
            const prune_result step = world.prune({at_ms(ended * day), at_ms(consumed * day), limit});
            EXPECT_LE(step.transactions, limit);
            EXPECT_LE(step.events, limit);
            all.transactions += step.transactions;
            all.events += step.events;
            for (const std::string& name : step.overtaken_consumers) all.overtaken_consumers.push_back(name);
            if (!step.more) return all;
        }
        ADD_FAILURE() << "pruning does not end";
        return all;
    }
    bool knows(int i) { return world.knows(make_id("tx-" + std::to_string(i))); }
    std::uint64_t first_seq() { return value_of(world.status().first_seq); }
};
INSTANTIATE_TEST_SUITE_P(Store, Pruning, every_store(), store_name);

TEST_P(Pruning, EndedTransactionsGoWithHistoryDeliveriesAndEvents) {
    deliver_all();
    const prune_result result = prune(3);
    EXPECT_EQ(result.transactions, 2U);
    EXPECT_EQ(result.events, 2U);
    EXPECT_THAT(result.overtaken_consumers, IsEmpty());
    EXPECT_FALSE(knows(1));
    EXPECT_FALSE(knows(2));
    EXPECT_TRUE(knows(3)) << "it ended at the bound, not before it";
    EXPECT_FALSE(world.history(make_id("tx-1")).has_value());
    EXPECT_FALSE(world.load_delivery(1).has_value());
    world.reopen();
    EXPECT_EQ(first_seq(), 3U);
    EXPECT_EQ(world.events().events.at(0).seq, event_seq{3});
    EXPECT_EQ(world.deliveries().deliveries.size(), 3U);
    EXPECT_EQ(world.list({}).transactions.size(), 3U);
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::settled, track::status_kind::completed}), 3U);
    EXPECT_EQ(prune(3).transactions, 0U);
}

TEST_P(Pruning, APrunedIdIsNewWhenItComesAgain) {
    deliver_all();
    prune(3);
    EXPECT_EQ(world.add({make_new("tx-1")}).value()[0].what, add_result::created);
    EXPECT_EQ(world.history(make_id("tx-1"))->changes.size(), 1U);
    EXPECT_TRUE(world.history(make_id("tx-1"))->deliveries.empty());
    EXPECT_EQ(world.find(make_id("tx-1")).proof, "");
}

TEST_P(Pruning, AnEventOfAPrunedTransactionIsNotThatOfANewOneWithTheSameId) {
    deliver_all();
    world.put_consumer("slow", event_seq{0}).value();
    EXPECT_EQ(prune(2).events, 0U) << "the consumer has not seen it";
    EXPECT_FALSE(knows(1));
    world.add({make_new("tx-1", 2 * day)}).value();
    world.acknowledge("slow", 5).value();
    EXPECT_EQ(prune(2).events, 1U);
}

TEST_P(Pruning, SeqGoesOnWithoutAGapWhenEverythingIsGone) {
    deliver_all();
    EXPECT_EQ(prune(100).events, 5U);
    world.reopen();
    const event_page page = world.events(5);
    EXPECT_EQ(page.first_seq, event_seq{6});
    EXPECT_EQ(page.last_seq, event_seq{5});
    world.add({make_new("next")}).value();
    EXPECT_EQ(world.record(make_settlement("next", 200 * day, {})).value().seq, event_seq{6});
    EXPECT_EQ(first_seq(), 6U);
}

TEST_P(Pruning, NothingPendingIsPruned) {
    deliver(1);
    deliver(3);
    EXPECT_EQ(prune(100, 100).transactions, 2U);
    EXPECT_TRUE(knows(2));
    EXPECT_FALSE(knows(3));
    EXPECT_EQ(first_seq(), 2U) << "events go from the front only";
    EXPECT_TRUE(world.load_delivery(2).has_value());
    deliver(2);
    EXPECT_EQ(prune(100).events, 2U);
    EXPECT_EQ(first_seq(), 4U);
}

TEST_P(Pruning, ADeadDeliveryGoesWithItsTransaction) {
    deliver(1, track::delivery_state::dead);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 1U);
    EXPECT_EQ(prune(2).transactions, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
    world.reopen();
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 4U);
}

TEST_P(Pruning, WhatIsWatchedOrHasNotEndedStays) {
    world.add({make_new("active"), make_new("verified"), make_new("anew")}).value();
    transition settled = make_settlement("verified", 1, {});
    settled.facts.watched = true; // to be asked for again
    world.record(settled).value();
    world.record(make_change("anew", track::tracking_state::untracked, "", 1)).value();
    world.add({make_new("anew", 2)}).value();
    prune(100);
    for (const char* const id : {"active", "verified", "anew"}) EXPECT_TRUE(world.knows(make_id(id))) << id;
}

TEST_P(Pruning, EveryEndCountsWithAndWithoutAnEvent) {
    world.add({make_new("abandoned"), make_new("untracked")}).value();
    world.record(make_change("abandoned", track::tracking_state::abandoned, "pending", 1)).value();
    world.record(make_change("untracked", track::tracking_state::untracked, "pending", 1)).value();
    EXPECT_EQ(prune(1).transactions, 2U);
}

TEST_P(Pruning, TheEndIsThatOfTheLastChangeOfStateOrEvent) {
    deliver_all();
    const auto correct = [this](int i, bool has_event) { // on the fourth day
        transition change = make_settlement("tx-" + std::to_string(i), 4 * day, {}, "failed");
        change.facts.settled_at = at_ms(i * day);
        if (!has_event) change.event.reset();
        world.record(change).value();
    };
    correct(1, true);
    correct(2, false);
    std::vector<track::active_transaction> rows{{make_id("tx-3"), world.find(make_id("tx-3")).facts, row_revision{2}}};
    rows[0].facts.polls = 77;
    world.save_facts(rows);
    EXPECT_EQ(world.find(make_id("tx-3")).facts.polls, 77U);
    EXPECT_EQ(prune(4).transactions, 2U);
    EXPECT_TRUE(knows(1)) << "its last event is of the fourth day";
    EXPECT_FALSE(knows(2));
    EXPECT_FALSE(knows(3)) << "counters move nothing";
    EXPECT_EQ(prune(5).transactions, 2U);
    EXPECT_FALSE(knows(1));
}

TEST_P(Pruning, OneThatGoesOnAfterItsEndHasNotEnded) {
    deliver_all();
    transition reopened = make_change("tx-1", track::tracking_state::tracking, "pending", 2 * day);
    world.record(reopened).value();
    EXPECT_EQ(prune(100).transactions, 4U);
    EXPECT_TRUE(knows(1));
    world.record(make_settlement("tx-1", 60 * day, {})).value();
    EXPECT_EQ(prune(50).transactions, 0U) << "it ended on the sixtieth day";
    EXPECT_EQ(prune(61).transactions, 1U);
}

TEST_P(Pruning, AnEventOfALivingTransactionWaitsUntilItIsOld) {
    deliver_all();
    prune(100);
    world.add({make_new("living"), make_new("ended")}).value();
    transition overdue = make_settlement("living", 1 * day, {"backend"});
    overdue.facts = make_change("living", track::tracking_state::overdue, "pending", 1 * day).facts;
    world.record(overdue).value(); // 6
    world.record(make_settlement("ended", 2 * day, {})).value();
    EXPECT_EQ(prune(10, 5).events, 0U) << "it is owed";
    deliver(6);
    EXPECT_EQ(prune(10, 0).events, 0U);
    EXPECT_EQ(prune(10, 5).events, 2U);
    EXPECT_TRUE(world.knows(make_id("living")));
    EXPECT_TRUE(world.deliveries().deliveries.empty()) << "a delivery without its bytes could not be sent again";
    EXPECT_EQ(world.retry(6, at_ms(1)).error().code, store_error::not_found);
}

TEST_P(Pruning, AConsumerKeepsWhatItHasNotAcknowledgedUntilThatIsTooOld) {
    deliver_all();
    world.put_consumer("slow", event_seq{1}).value();
    world.put_consumer("quick", event_seq{5}).value();
    const prune_result kept = prune(100);
    EXPECT_EQ(kept.transactions, 5U);
    EXPECT_EQ(kept.events, 1U);
    EXPECT_THAT(kept.overtaken_consumers, IsEmpty());
    EXPECT_EQ(first_seq(), 2U);
    const prune_result overtaken = prune(100, 4);
    EXPECT_EQ(overtaken.events, 2U);
    EXPECT_THAT(overtaken.overtaken_consumers, ElementsAre("slow"));
    EXPECT_EQ(first_seq(), 4U);
    const track::consumer_view slow = world.consumers().at(1);
    EXPECT_EQ(slow.seq, event_seq{1});
    EXPECT_EQ(slow.lag, 2U) << "what is still there for it";
    EXPECT_EQ(slow.oldest_pending, at_ms(4 * day));
}

TEST_P(Pruning, ComesInBatchesOfAtMostItsLimit) {
    deliver_all();
    const prune_result first = world.prune({at_ms(100 * day), at_ms(never * day), 2});
    EXPECT_TRUE(first.more);
    EXPECT_EQ(first.transactions + prune(100, never, 2).transactions, 5U);
    EXPECT_EQ(first_seq(), 6U);
    EXPECT_EQ(prune(100).transactions, 0U);
}

TEST_P(Pruning, WhatIsPendingForLongDoesNotHideWhatLiesBehindIt) {
    deliver(4);
    deliver(5);
    EXPECT_EQ(prune(100, never, 1).transactions, 2U);
    EXPECT_TRUE(knows(1));
    EXPECT_FALSE(knows(5));
}

TEST_P(Pruning, OldSessionKeysGoWhetherDoneOrNot) {
    const auto claim = [&](std::uint8_t key, std::int64_t at) {
        return world.claim_session(make_digest(key), digest{}, at_ms(at)).what;
    };
    EXPECT_EQ(claim(1, 0), session_claim::verdict::fresh);
    EXPECT_EQ(claim(2, 0), session_claim::verdict::fresh);
    EXPECT_EQ(claim(3, 2 * day), session_claim::verdict::fresh);
    world.add({make_new("of-session")}, make_digest(2)).value();
    prune(0);
    EXPECT_EQ(claim(1, 0), session_claim::verdict::outcome_unknown);
    EXPECT_EQ(claim(2, 0), session_claim::verdict::done);
    prune(1);
    EXPECT_EQ(claim(1, 0), session_claim::verdict::fresh);
    EXPECT_EQ(claim(2, 0), session_claim::verdict::fresh);
    EXPECT_EQ(claim(3, 0), session_claim::verdict::outcome_unknown);
}

} // namespace
} // namespace prooftrack::store
