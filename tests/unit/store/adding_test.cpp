#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

using testing::ElementsAre;

constexpr const char* uuid = "550e8400-e29b-41d4-a716-446655440000";

std::vector<add_result> results_of(const op_result<std::vector<add_outcome>>& outcomes) {
    std::vector<add_result> results;
    for (const add_outcome& each : outcomes.value()) results.push_back(each.what);
    return results;
}

TEST(Adding, ANewIdIsCreatedWithItsDeadlineAndItsBeginningInTheHistory) {
    store_world world;
    new_transaction wanted = make_new(uuid, 5);
    wanted.metadata = R"({"order": "A-17", "n": 1.10})";
    wanted.callback_url = "https://shop.example/x?y=1";
    wanted.callback_lane = "https://shop.example:443";
    EXPECT_THAT(results_of(world.add({wanted})), ElementsAre(add_result::created));
    const transaction_view view = world.find(make_id(uuid));
    EXPECT_EQ(view.id.str(), uuid);
    EXPECT_EQ(view.facts.state, tracking_state::tracking);
    EXPECT_EQ(view.facts.tracked_at, at_ms(5));
    EXPECT_EQ(view.facts.overdue_at, at_ms(86'400'005));
    EXPECT_TRUE(view.facts.watched);
    EXPECT_EQ(view.metadata, wanted.metadata);
    EXPECT_EQ(view.callback_url, wanted.callback_url);
    EXPECT_EQ(view.proof, "");
    const auto history = world.history(make_id(uuid));
    ASSERT_EQ(history->changes.size(), 1U);
    EXPECT_FALSE(history->changes[0].from_state.has_value());
    EXPECT_EQ(history->changes[0].to_state, tracking_state::tracking);
    EXPECT_EQ(history->changes[0].at, at_ms(5));
}

TEST(Adding, TheSameOptionsAreExistingOthersAreAConflict) {
    store_world world;
    new_transaction first = make_new("a");
    new_transaction other = make_new("a", 9);
    other.options_digest.fill(1);
    EXPECT_THAT(results_of(world.add({first, first, other})),
                ElementsAre(add_result::created, add_result::existing, add_result::conflict));
    EXPECT_EQ(world.find(make_id("a")).facts.tracked_at, at_ms(0));
}

TEST(Adding, ASettledIdIsExistingWhateverTheOptions) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_settlement("a", 100, {})).value();
    new_transaction other = make_new("a", 200);
    other.options_digest.fill(1);
    const auto outcomes = world.add({other});
    EXPECT_THAT(results_of(outcomes), ElementsAre(add_result::existing));
    EXPECT_EQ(outcomes.value()[0].facts.status, "completed");
}

TEST(Adding, AnUntrackedOrAbandonedIdIsTrackedAnewAndKeepsItsHistoryAndDeliveries) {
    for (const tracking_state end : {tracking_state::untracked, tracking_state::abandoned}) {
        store_world world;
        world.add({make_new("a")}).value();
        transition change = make_change("a", end, "processing", 100);
        change.reply = R"({"status":"processing"})";
        change.reply_is_good = true;
        random_source random(1);
        change.event = owed_event{make_event_id(at_ms(100), random), event_type::abandoned, "", {"backend"}};
        world.record(change).value();
        new_transaction again = make_new("a", 500);
        again.options_digest.fill(7);
        again.metadata = R"({"second":true})";
        EXPECT_THAT(results_of(world.add({again})), ElementsAre(add_result::created));
        const transaction_view view = world.find(make_id("a"));
        tracking_facts fresh;
        fresh.tracked_at = at_ms(500);
        fresh.overdue_at = at_ms(86'400'500);
        EXPECT_EQ(view.facts, fresh);
        EXPECT_EQ(view.metadata, again.metadata);
        EXPECT_EQ(view.proof, "");
        const auto history = world.history(make_id("a"));
        EXPECT_EQ(history->changes.size(), 3U);
        EXPECT_EQ(history->deliveries.size(), 1U);
        EXPECT_THAT(results_of(world.add({again})), ElementsAre(add_result::existing));
    }
}

TEST(Adding, UpperCaseIsAnotherId) {
    store_world world;
    const std::string upper = "550E8400-E29B-41D4-A716-446655440000";
    EXPECT_THAT(results_of(world.add({make_new(uuid), make_new(upper), make_new("03b22d25d523a5285")})),
                ElementsAre(add_result::created, add_result::created, add_result::created));
    world.reopen();
    EXPECT_EQ(world.find(make_id(upper)).id.str(), upper);
    EXPECT_EQ(world.find(make_id(uuid)).id.str(), uuid);
    EXPECT_EQ(world.find(make_id("03b22d25d523a5285")).id.str(), "03b22d25d523a5285");
}

TEST(Adding, WhatWasAnsweredIsThereAfterARestart) {
    store_world world;
    std::vector<new_transaction> many;
    for (int i = 0; i < 1000; ++i) many.push_back(make_new("tx-" + std::to_string(i), i));
    world.add(many).value();
    world.reopen();
    for (int i = 0; i < 1000; i += 111) EXPECT_TRUE(world.knows(make_id("tx-" + std::to_string(i))));
    EXPECT_EQ(world.status().transactions.at({tracking_state::tracking, status_kind::none}), 1000U);
}

TEST(Adding, FactsAreSavedWithoutHistory) {
    store_world world;
    std::vector<new_transaction> many;
    std::vector<active_transaction> rows;
    for (int i = 0; i < 2500; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i), 0));
        transition change = make_change("tx-" + std::to_string(i), tracking_state::tracking, "pending", 1000 + i);
        rows.push_back({change.id, change.facts, change.revision});
    }
    world.add(many).value();
    const auto saved =
        world.ask<std::monostate>([&](store& door, auto handler) { door.save_facts(rows, std::move(handler)); });
    ASSERT_TRUE(saved.has_value());
    world.reopen();
    for (const int i : {0, 999, 1000, 2499}) {
        const transaction_view view = world.find(make_id("tx-" + std::to_string(i)));
        EXPECT_EQ(view.facts, rows[static_cast<std::size_t>(i)].facts);
        EXPECT_EQ(world.history(view.id)->changes.size(), 1U);
    }
    EXPECT_EQ(world.status().transactions.at({tracking_state::tracking, status_kind::pending}), 2500U);
}

TEST(Adding, NobodySeesHalfOfALongSave) {
    store_world world;
    std::vector<new_transaction> many;
    std::vector<active_transaction> rows;
    for (int i = 0; i < 3000; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i), 0));
        rows.push_back({make_id("tx-" + std::to_string(i)),
                        make_change("x", tracking_state::tracking, "pending", 1).facts, row_revision{1}});
    }
    world.add(many).value();
    // The settlement is called later, so the save must not write over it.
    world.door().save_facts(rows, [](op_result<std::monostate>) {});
    world.record(make_settlement("tx-2999", 50, {})).value();
    EXPECT_EQ(world.find(make_id("tx-2999")).facts.state, tracking_state::settled);
}

TEST(Loading, WatchedRowsComeInChunksTheLongestUnseenFirst) {
    store_world world;
    std::vector<new_transaction> many;
    std::vector<active_transaction> seen;
    for (int i = 0; i < 25'000; ++i) {
        const std::string id =
            i % 2 == 0 ? "tx-" + std::to_string(i) : fmt::format("550e8400-e29b-41d4-a716-{:012x}", i);
        many.push_back(make_new(id, i));
        if (i < 20'000) {
            transition change = make_change(id, tracking_state::tracking, "pending", 100'000 - i);
            seen.push_back({change.id, change.facts, change.revision});
        }
        if (many.size() == 1000) world.add(std::exchange(many, {})).value();
    }
    world.ask<std::monostate>([&](store& door, auto handler) { door.save_facts(seen, std::move(handler)); }).value();
    world.record(make_settlement(seen[4].id.str(), 200'000, {})).value();
    std::vector<std::size_t> chunks;
    std::vector<active_transaction> all;
    const auto number = world.ask<std::uint64_t>([&](store& door, auto handler) {
        door.load_active(
            [&](std::vector<active_transaction> chunk) {
                chunks.push_back(chunk.size());
                for (active_transaction& each : chunk) all.push_back(std::move(each));
            },
            std::move(handler));
    });
    EXPECT_EQ(number.value(), 24'999U);
    EXPECT_THAT(chunks, ElementsAre(10'000U, 10'000U, 4'999U));
    ASSERT_EQ(all.size(), 24'999U);
    for (std::size_t i = 0; i < 5000; ++i) EXPECT_FALSE(all[i].facts.last_polled_at.has_value());
    for (std::size_t i = 5001; i < all.size(); ++i)
        ASSERT_LT(*all[i - 1].facts.last_polled_at, *all[i].facts.last_polled_at);
    EXPECT_EQ(all.back().id, seen[0].id);
    EXPECT_EQ(all.back().facts, seen[0].facts);
}

TEST(Loading, AStoreThatIsDroppedWhileItLoadsDoesNotWait) {
    store_world world;
    std::vector<new_transaction> many;
    for (int i = 0; i < 80'000; ++i) {
        many.push_back(make_new("tx-" + std::to_string(i), i));
        if (many.size() == 1000) world.add(std::exchange(many, {})).value();
    }
    world.door().load_active([](std::vector<active_transaction>) {}, [](op_result<std::uint64_t>) {});
    world.drop(); // more chunks than may wait in the loop, which does not run meanwhile
}

} // namespace
} // namespace prooftrack
