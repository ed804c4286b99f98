#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

using testing::ElementsAre;

constexpr std::int64_t day = 86'400'000;

/// Five transactions that ended one a day, each with an event and a delivery to "backend" (1 to 5).
struct Pruning : testing::Test {
    Pruning() {
        for (int i = 1; i <= 5; ++i) {
            world.add({make_new("tx-" + std::to_string(i))}).value();
            world.record(make_settlement("tx-" + std::to_string(i), i * day, {"backend"})).value();
        }
    }
    void deliver(std::uint64_t id, delivery_state state = delivery_state::delivered) {
        world.attempt({delivery_id{id}, at_ms(0), 1, state, 200, "", std::nullopt});
    }
    /// Ended before the `ended`th day, consumers lose before the `consumed`th.
    prune_result prune(std::int64_t ended, std::int64_t consumed = -1000, std::size_t limit = 500) {
        return world.prune({at_ms(ended * day), at_ms(consumed * day), limit});
    }
    bool knows(int i) { return world.knows(make_id("tx-" + std::to_string(i))); }
    std::uint64_t first_seq() { return value_of(world.status().first_seq); }

    store_world world;
};

TEST_F(Pruning, EndedTransactionsGoWithHistoryDeliveriesAndEvents) {
    for (std::uint64_t id = 1; id <= 5; ++id) deliver(id);
    const prune_result result = prune(3);
    EXPECT_EQ(result.transactions, 2U);
    EXPECT_EQ(result.events, 2U);
    EXPECT_FALSE(result.more);
    EXPECT_FALSE(knows(1));
    EXPECT_FALSE(knows(2));
    EXPECT_TRUE(knows(3));
    EXPECT_EQ(first_seq(), 3U);
    EXPECT_EQ(world.deliveries().deliveries.size(), 3U);
    EXPECT_EQ(world.status().transactions.at({tracking_state::settled, status_kind::completed}), 3U);
    EXPECT_THAT(result.overtaken_consumers, ElementsAre());
    // A pruned id can be posted again.
    EXPECT_EQ(world.add({make_new("tx-1")}).value()[0].what, add_result::created);
}

TEST_F(Pruning, SeqGoesOnWithoutAGapWhenEverythingIsGone) {
    for (std::uint64_t id = 1; id <= 5; ++id) deliver(id);
    std::uint64_t events = 0;
    for (bool more = true; more;) { // a step ends early on a slow disk
        const prune_result step = prune(100);
        events += step.events;
        more = step.more;
    }
    EXPECT_EQ(events, 5U);
    world.reopen();
    event_page page = world.events(5);
    EXPECT_EQ(page.first_seq, event_seq{6});
    EXPECT_EQ(page.last_seq, event_seq{5});
    world.add({make_new("next")}).value();
    EXPECT_EQ(world.record(make_settlement("next", 200 * day, {})).value().seq, event_seq{6});
}

TEST_F(Pruning, NothingGoesThatIsOwed) {
    deliver(1);
    deliver(3);
    const prune_result result = prune(100, 100);
    EXPECT_EQ(result.transactions, 2U);
    EXPECT_TRUE(knows(2));
    EXPECT_FALSE(knows(3));
    EXPECT_EQ(first_seq(), 2U); // events go as a prefix only
    deliver(2);
    EXPECT_EQ(prune(100).events, 2U);
    EXPECT_EQ(first_seq(), 4U);
}

TEST_F(Pruning, ADeadDeliveryGoesWithItsTransaction) {
    deliver(1, delivery_state::dead);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 1U);
    EXPECT_EQ(prune(2).transactions, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
    world.reopen();
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
}

TEST_F(Pruning, WhatIsWatchedOrHasNotEndedStays) {
    world.add({make_new("active"), make_new("verified")}).value();
    transition settled = make_settlement("verified", 1, {});
    settled.facts.watched = true; // to be asked again
    world.record(settled).value();
    prune(100);
    EXPECT_TRUE(world.knows(make_id("active")));
    EXPECT_TRUE(world.knows(make_id("verified")));
}

TEST_F(Pruning, AnEventOfALivingTransactionWaitsUntilItIsOld) {
    store_world other;
    other.add({make_new("living"), make_new("ended")}).value();
    transition overdue = make_settlement("living", 1 * day, {"backend"});
    overdue.facts.state = tracking_state::overdue;
    overdue.facts.settled_at.reset();
    overdue.facts.watched = true;
    other.record(overdue).value();
    other.record(make_settlement("ended", 2 * day, {})).value();
    other.attempt({delivery_id{1}, at_ms(0), 1, delivery_state::delivered, 200, "", std::nullopt});
    EXPECT_EQ(other.prune({at_ms(10 * day), at_ms(0), 500}).events, 0U);
    EXPECT_EQ(other.prune({at_ms(10 * day), at_ms(5 * day), 500}).events, 2U);
    EXPECT_TRUE(other.knows(make_id("living")));
    EXPECT_TRUE(other.deliveries().deliveries.empty()); // a delivery without its bytes could not be sent again
}

TEST_F(Pruning, AConsumerKeepsWhatItHasNotAcknowledgedUntilThatIsTooOld) {
    for (std::uint64_t id = 1; id <= 5; ++id) deliver(id);
    world
        .ask<std::pair<bool, consumer_view>>(
            [](store& door, auto handler) { door.put_consumer("slow", event_seq{1}, std::move(handler)); })
        .value();
    const prune_result kept = prune(100);
    EXPECT_EQ(kept.transactions, 5U);
    EXPECT_EQ(kept.events, 1U);
    EXPECT_EQ(first_seq(), 2U);
    const prune_result overtaken = prune(100, 4);
    EXPECT_EQ(overtaken.events, 2U);
    EXPECT_THAT(overtaken.overtaken_consumers, ElementsAre("slow"));
    EXPECT_EQ(first_seq(), 4U);
    const auto consumers =
        world.ask<std::vector<consumer_view>>([](store& door, auto handler) { door.consumers(std::move(handler)); })
            .value();
    EXPECT_EQ(consumers[0].lag, 2U); // what is still there for it
}

TEST_F(Pruning, ComesInSmallBatches) {
    for (std::uint64_t id = 1; id <= 5; ++id) deliver(id);
    prune_result result = prune(100, -1000, 2);
    EXPECT_EQ(result.transactions, 2U);
    EXPECT_TRUE(result.more);
    int calls = 1;
    while (result.more) {
        result = prune(100, -1000, 2);
        ++calls;
        ASSERT_LT(calls, 10);
    }
    EXPECT_EQ(first_seq(), 6U);
    EXPECT_EQ(prune(100).transactions, 0U);
}

TEST_F(Pruning, WhatIsOwedForLongDoesNotHideWhatLiesBehindIt) {
    deliver(4);
    deliver(5);
    prune_result result = prune(100, -1000, 1);
    std::uint64_t gone = result.transactions;
    for (int i = 0; result.more && i < 20; ++i) {
        result = prune(100, -1000, 1);
        gone += result.transactions;
    }
    EXPECT_EQ(gone, 2U);
    EXPECT_TRUE(knows(1));
    EXPECT_FALSE(knows(5));
}

TEST_F(Pruning, OldSessionKeysGo) {
    digest key{};
    const auto claim = [&](std::int64_t at) {
        return world
            .ask<session_claim>(
                [&](store& door, auto handler) { door.claim_session(key, digest{}, at_ms(at), std::move(handler)); })
            .value()
            .what;
    };
    EXPECT_EQ(claim(0), session_claim::verdict::fresh);
    prune(-1);
    EXPECT_EQ(claim(0), session_claim::verdict::outcome_unknown);
    prune(1);
    EXPECT_EQ(claim(0), session_claim::verdict::fresh);
}

TEST(PruningMuch, NeverBlocksACommitForLong) {
    store_world world;
    for (int i = 0; i < 8; ++i) {
        std::vector<new_transaction> many;
        for (int j = 0; j < 1000; ++j) {
            const auto mixed = static_cast<std::uint32_t>(i * 1000 + j) * 2654435761U;
            many.push_back(make_new(fmt::format("{:08x}-0000-4000-8000-{:012x}", mixed, j)));
        }
        const auto ids = many;
        world.add(many).value();
        for (const new_transaction& each : ids) world.door().record(make_settlement(each.id.str(), i, {}), [](auto) {});
        world.run();
    }
    world.facts().longest_commit = {};
    prune_result result;
    std::uint64_t gone = 0;
    int calls = 0;
    do {
        result = world.prune({at_ms(100), at_ms(-1), 500});
        gone += result.transactions;
        ASSERT_LT(++calls, 2000);
    } while (result.more);
    EXPECT_EQ(gone, 8000U);
    EXPECT_EQ(world.status().first_seq, event_seq{8001});
    RecordProperty("longest_ms",
                   static_cast<int>(std::chrono::duration_cast<milliseconds>(world.facts().longest_commit).count()));
}

} // namespace
} // namespace prooftrack
