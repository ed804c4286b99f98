// Each write of a transaction raises its revision; a change that was judged for another one changes nothing.

#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

std::vector<active_transaction> load(store_world& world) {
    std::vector<active_transaction> all;
    world
        .ask<std::uint64_t>([&](store& door, auto handler) {
            door.load_active(
                [&](const std::vector<active_transaction>& chunk) {
                    all.insert(all.end(), chunk.begin(), chunk.end());
                },
                std::move(handler));
        })
        .value();
    return all;
}

TEST(Revision, EachWriteRaisesItAndSaysSo) {
    store_world world;
    EXPECT_EQ(world.add({make_new("a")}).value()[0].revision, row_revision{1});
    EXPECT_EQ(world.add({make_new("a")}).value()[0].revision, row_revision{1}) << "there already";
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{1});
    transition change = make_change("a", tracking_state::tracking, "pending", 1);
    EXPECT_EQ(world.record(change).value().revision, row_revision{2});
    const std::vector<active_transaction> rows = load(world);
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].revision, row_revision{2});
    world.ask<std::monostate>([&](store& door, auto handler) { door.save_facts(rows, std::move(handler)); }).value();
    world.reopen();
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{3});
    EXPECT_EQ(world.record(make_settlement("a", 2, {})).value().revision, row_revision{4});
    EXPECT_EQ(world.list({}).transactions[0].revision, row_revision{4});
}

TEST(Revision, AChangeOfAnotherOneIsRefusedAndChangesNothing) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_change("a", tracking_state::abandoned, "pending", 1)).value();
    const add_outcome renewed = world.add({make_new("a", 5)}).value()[0];
    EXPECT_EQ(renewed.what, add_result::created);
    EXPECT_EQ(renewed.revision, row_revision{3});
    transition late = make_settlement("a", 10, {"backend"});
    late.revision = row_revision{2}; // judged for the abandoned row
    const auto refused = world.record_as_is(late);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, store_error::stale);
    world.reopen();
    const transaction_view kept = world.find(make_id("a"));
    EXPECT_EQ(kept.facts, renewed.facts);
    EXPECT_EQ(kept.revision, row_revision{3});
    EXPECT_EQ(kept.proof, "");
    EXPECT_TRUE(world.events().events.empty());
    EXPECT_TRUE(world.deliveries().deliveries.empty());
    EXPECT_EQ(world.history(kept.id)->changes.size(), 3U);
    EXPECT_EQ(load(world).size(), 1U) << "it is still watched";
}

TEST(Revision, AStaleChangeInACommitLeavesItsNeighboursAlone) {
    store_world world;
    world.add({make_new("a"), make_new("b")}).value();
    std::vector<bool> durable;
    const auto note = [&](const op_result<recorded_transition>& done) { durable.push_back(done.has_value()); };
    transition stale = make_settlement("a", 1, {});
    stale.revision = row_revision{9};
    world.door().record(stale, note);
    world.door().record(make_settlement("b", 2, {}), note);
    world.run();
    EXPECT_EQ(durable, (std::vector<bool>{false, true}));
    EXPECT_EQ(world.events().events.size(), 1U);
}

TEST(Revision, AChangeOfATransactionThatIsGoneIsNotFound) {
    store_world world;
    const auto refused = world.record_as_is(make_settlement("a", 10, {}));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, store_error::not_found);
}

TEST(Revision, CountersOfAnotherOneAreNotSaved) {
    store_world world;
    world.add({make_new("a")}).value();
    std::vector<active_transaction> seen = load(world);
    world.record(make_settlement("a", 3, {})).value();
    seen[0].facts.polls = 99;
    world.ask<std::monostate>([&](store& door, auto handler) { door.save_facts(seen, std::move(handler)); }).value();
    EXPECT_EQ(world.find(make_id("a")).facts.state, tracking_state::settled);
    EXPECT_EQ(world.find(make_id("a")).facts.polls, 3U);
}

} // namespace
} // namespace prooftrack
