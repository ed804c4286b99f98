#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

using testing::ElementsAre;

/// Transaction "a" with three events on lane "backend": deliveries 1, 2, 3.
struct Deliveries : testing::Test {
    Deliveries() {
        world.add({make_new("a"), make_new("b")}).value();
        for (int i = 1; i <= 3; ++i) world.record(make_settlement("a", i * 10, {"backend"})).value();
    }
    std::vector<std::uint64_t> head_ids(const std::string& lane = "backend") {
        std::vector<std::uint64_t> ids;
        for (const delivery_head& each : world.heads(lane)) ids.push_back(value_of(each.id));
        return ids;
    }
    delivery_view view(std::uint64_t id) {
        return world
            .ask<std::optional<delivery_record>>(
                [&](store& door, auto handler) { door.load_delivery(delivery_id{id}, std::move(handler)); })
            .value()
            ->view;
    }
    static attempt_record ended(std::uint64_t id, delivery_state state, std::uint32_t attempts = 1) {
        return {delivery_id{id},
                at_ms(1000),
                attempts,
                state,
                state == delivery_state::delivered ? 200 : 500,
                state == delivery_state::delivered ? "" : "500",
                std::nullopt};
    }
    op_result<delivery_head> retry(std::uint64_t id, std::int64_t ms) {
        return world.ask<delivery_head>(
            [&](store& door, auto handler) { door.retry_delivery(delivery_id{id}, at_ms(ms), std::move(handler)); });
    }
    std::uint64_t retry_dead(std::optional<std::string> callback, std::int64_t ms) {
        return world
            .ask<std::uint64_t>(
                [&](store& door, auto handler) { door.retry_dead(callback, at_ms(ms), std::move(handler)); })
            .value();
    }

    store_world world;
};

TEST_F(Deliveries, OnlyTheFirstOfATransactionIsAHead) {
    EXPECT_THAT(head_ids(), ElementsAre(1U));
    EXPECT_EQ(view(1).next_attempt_at, at_ms(10));
    EXPECT_EQ(view(2).next_attempt_at, std::nullopt);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 3U);
    EXPECT_EQ(world.status().lanes.at("backend").oldest_pending, at_ms(10));
}

TEST_F(Deliveries, AnEndPromotesTheNextOne) {
    const auto next = world.attempt(ended(1, delivery_state::delivered));
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->id, delivery_id{2});
    EXPECT_EQ(next->next_attempt_at, at_ms(1000));
    EXPECT_EQ(next->lane, "backend");
    EXPECT_THAT(head_ids(), ElementsAre(2U));
    EXPECT_EQ(view(1).state, delivery_state::delivered);
    EXPECT_EQ(view(1).last_status, 200);
    const auto after_dead = world.attempt(ended(2, delivery_state::dead));
    EXPECT_EQ(after_dead->id, delivery_id{3});
    EXPECT_EQ(world.attempt(ended(3, delivery_state::delivered)), std::nullopt);
    const lane_summary lane = world.status().lanes.at("backend");
    EXPECT_EQ(lane.pending, 0U);
    EXPECT_EQ(lane.dead, 1U);
    EXPECT_EQ(lane.oldest_pending, std::nullopt);
}

TEST_F(Deliveries, AFailureIsDurableWithItsNextTime) {
    attempt_record failed = ended(1, delivery_state::pending);
    failed.next_attempt_at = at_ms(6000);
    EXPECT_EQ(world.attempt(failed), std::nullopt);
    world.reopen();
    const delivery_view after = view(1);
    EXPECT_EQ(after.attempts, 1U);
    EXPECT_EQ(after.last_error, "500");
    EXPECT_EQ(after.last_attempt_at, at_ms(1000));
    EXPECT_EQ(after.next_attempt_at, at_ms(6000));
    EXPECT_THAT(head_ids(), ElementsAre(1U));
}

TEST_F(Deliveries, HeadsOfALaneComeByTheirTime) {
    attempt_record failed = ended(1, delivery_state::pending);
    failed.next_attempt_at = at_ms(6000);
    world.attempt(failed);
    world.record(make_settlement("b", 500, {"backend", "other"})).value();
    EXPECT_THAT(head_ids(), ElementsAre(4U, 1U));
    EXPECT_EQ(world.heads("backend", 1).size(), 1U);
    EXPECT_THAT(head_ids("other"), ElementsAre(5U));
    EXPECT_TRUE(world.heads("nobody").empty());
}

TEST_F(Deliveries, ARetryOfADeadOneArrivesOutOfOrderAndPromotesNobodyTwice) {
    world.attempt(ended(1, delivery_state::dead)); // 2 is the head
    const delivery_head retried = retry(1, 2000).value();
    EXPECT_EQ(retried.id, delivery_id{1});
    EXPECT_EQ(retried.attempts, 0U);
    EXPECT_FALSE(retried.waits);
    EXPECT_THAT(head_ids(), ElementsAre(2U, 1U));
    EXPECT_EQ(world.attempt(ended(1, delivery_state::delivered)), std::nullopt); // 2 is going already
    EXPECT_EQ(world.attempt(ended(2, delivery_state::delivered))->id, delivery_id{3});
}

TEST_F(Deliveries, ARetryOfADeliveredOneSendsItAgain) {
    world.attempt(ended(1, delivery_state::delivered));
    EXPECT_FALSE(retry(1, 2000)->waits);
    EXPECT_EQ(view(1).state, delivery_state::pending);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 3U);
}

TEST_F(Deliveries, ARetryOfAPendingHeadIsDueNow) {
    attempt_record failed = ended(1, delivery_state::pending);
    failed.next_attempt_at = at_ms(99'000);
    world.attempt(failed);
    EXPECT_EQ(retry(1, 2000)->next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
}

TEST_F(Deliveries, ARetryBehindAnotherWaitsForItsOrder) {
    const delivery_head waiting = retry(3, 2000).value();
    EXPECT_TRUE(waiting.waits);
    EXPECT_EQ(waiting.id, delivery_id{3});
    EXPECT_THAT(head_ids(), ElementsAre(1U));
}

TEST_F(Deliveries, ARetryOfNothingIsNotFound) {
    const auto nothing = retry(77, 2000);
    ASSERT_FALSE(nothing.has_value());
    EXPECT_EQ(nothing.error().code, store_error::not_found);
}

TEST_F(Deliveries, AnOlderAttemptsFailureDoesNotUndoARetry) {
    attempt_record failed = ended(1, delivery_state::pending);
    failed.next_attempt_at = at_ms(6000);
    world.attempt(failed);
    retry(1, 7000).value(); // while the second attempt is on its way
    attempt_record late = ended(1, delivery_state::dead, 2);
    EXPECT_EQ(world.attempt(late), std::nullopt);
    EXPECT_EQ(view(1).state, delivery_state::pending);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(7000));
    // A success of it ends the delivery all the same: the receiver has it.
    EXPECT_EQ(world.attempt(ended(1, delivery_state::delivered, 2))->id, delivery_id{2});
}

TEST_F(Deliveries, AnAttemptOfWhatHasEndedChangesNothing) {
    world.attempt(ended(1, delivery_state::delivered));
    EXPECT_EQ(world.attempt(ended(1, delivery_state::dead, 2)), std::nullopt);
    EXPECT_EQ(view(1).state, delivery_state::delivered);
    EXPECT_EQ(world.attempt(ended(99, delivery_state::dead, 1)), std::nullopt);
}

TEST_F(Deliveries, AllDeadOnesOfACallbackAreRetriedInOrder) {
    for (std::uint64_t id = 1; id <= 3; ++id) world.attempt(ended(id, delivery_state::dead));
    world.record(make_settlement("b", 50, {"other"})).value();
    world.attempt(ended(4, delivery_state::dead));
    EXPECT_EQ(retry_dead("backend", 5000), 3U);
    EXPECT_THAT(head_ids(), ElementsAre(1U)); // 2 and 3 wait behind it
    EXPECT_TRUE(head_ids("other").empty());
    EXPECT_EQ(retry_dead(std::nullopt, 6000), 1U);
    EXPECT_THAT(head_ids("other"), ElementsAre(4U));
    EXPECT_EQ(world.attempt(ended(1, delivery_state::delivered))->id, delivery_id{2});
    const auto lanes = world.status().lanes;
    EXPECT_EQ(lanes.at("backend").dead, 0U);
    EXPECT_EQ(lanes.at("backend").pending, 2U);
}

TEST_F(Deliveries, MoreDeadOnesThanATransactionTakesAreAllRetried) {
    std::vector<new_transaction> many;
    for (int i = 0; i < 2300; ++i) many.push_back(make_new("m" + std::to_string(i)));
    world.add(many).value();
    for (int i = 0; i < 2300; ++i) {
        world.door().record(
            make_settlement("m" + std::to_string(i), i, {"mass"}), [this](op_result<recorded_transition> recorded) {
                attempt_record dead = ended(value_of(recorded.value().heads[0].id), delivery_state::dead);
                world.door().record_attempt(dead, [](auto) {});
            });
    }
    world.run();
    EXPECT_EQ(world.status().lanes.at("mass").dead, 2300U);
    EXPECT_EQ(retry_dead("mass", 9000), 2300U);
    EXPECT_EQ(world.status().lanes.at("mass").dead, 0U);
    EXPECT_EQ(world.heads("mass", 5000).size(), 2300U);
}

TEST_F(Deliveries, AFailingLaneIsRemembered) {
    world
        .ask<std::monostate>(
            [](store& door, auto handler) { door.set_failing("backend", at_ms(77), std::move(handler)); })
        .value();
    world.reopen();
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, at_ms(77));
    world
        .ask<std::monostate>(
            [](store& door, auto handler) { door.set_failing("backend", std::nullopt, std::move(handler)); })
        .value();
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, std::nullopt);
}

TEST_F(Deliveries, AListIsNewestFirstAndFiltersByStateCallbackAndTransaction) {
    world.record(make_settlement("b", 50, {"backend", "other"})).value(); // 4 and 5
    world.attempt(ended(1, delivery_state::dead));
    world.attempt(ended(2, delivery_state::delivered));
    using state = std::optional<delivery_state>;
    using text = std::optional<std::string>;
    const auto ids = [this](state wanted, text callback, text transaction) {
        std::vector<std::uint64_t> found;
        for (const delivery_view& each : world.deliveries({wanted, callback, transaction, 100, ""}).deliveries) {
            found.push_back(value_of(each.id));
        }
        return found;
    };
    EXPECT_THAT(ids({}, {}, {}), ElementsAre(5U, 4U, 3U, 2U, 1U));
    EXPECT_THAT(ids(delivery_state::pending, {}, {}), ElementsAre(5U, 4U, 3U));
    EXPECT_THAT(ids(delivery_state::pending, "backend", {}), ElementsAre(4U, 3U));
    EXPECT_THAT(ids(delivery_state::dead, {}, {}), ElementsAre(1U));
    EXPECT_THAT(ids(delivery_state::delivered, {}, {}), ElementsAre(2U));
    EXPECT_THAT(ids({}, "other", {}), ElementsAre(5U));
    EXPECT_THAT(ids({}, {}, "a"), ElementsAre(3U, 2U, 1U));
    EXPECT_THAT(ids(delivery_state::pending, {}, "b"), ElementsAre(5U, 4U));
    EXPECT_TRUE(ids({}, {}, "nobody").empty());
}

TEST_F(Deliveries, PagesFollowTheCursor) {
    delivery_query query;
    query.state = delivery_state::pending;
    query.limit = 2;
    delivery_page page = world.deliveries(query);
    EXPECT_EQ(page.deliveries.size(), 2U);
    query.cursor = page.next_cursor;
    world.record(make_settlement("b", 50, {"backend"})).value(); // newer: not on a later page
    page = world.deliveries(query);
    ASSERT_EQ(page.deliveries.size(), 1U);
    EXPECT_EQ(page.deliveries[0].id, delivery_id{1});
    EXPECT_EQ(page.next_cursor, "");
}

TEST_F(Deliveries, ARecoveryFreesWhatItIsToldToAndTheAttemptDoesNotCount) {
    world.record(make_settlement("b", 50, {"backend"})).value(); // 4
    for (const std::uint64_t id : {1U, 4U}) {
        attempt_record failed = ended(id, delivery_state::pending);
        failed.next_attempt_at = at_ms(id == 1 ? 6000 : 9000);
        world.attempt(failed);
    }
    world
        .ask<std::monostate>(
            [](store& door, auto handler) { door.set_failing("backend", at_ms(77), std::move(handler)); })
        .value();
    std::vector<wall_time> asked;
    const lane_recovery how{at_ms(2000), [&](const waiting_delivery& one) {
                                asked.push_back(one.next_attempt_at);
                                return one.attempts == 1 && one.last_attempt_at == at_ms(1000) &&
                                       one.next_attempt_at == at_ms(6000);
                            }};
    const auto freed = world.ask<std::uint64_t>(
        [&](store& door, auto handler) { door.end_failing("backend", how, std::move(handler)); });
    EXPECT_EQ(freed.value(), 1U);
    EXPECT_THAT(asked, ElementsAre(at_ms(6000), at_ms(9000))) << "heads that lie ahead, and nothing else";
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(4).attempts, 1U);
    EXPECT_EQ(view(4).next_attempt_at, at_ms(9000));
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, std::nullopt);
    EXPECT_THAT(head_ids(), ElementsAre(1U, 4U));
}

TEST_F(Deliveries, ARecoveryLooksAtAllOfAGreatBacklog) {
    std::vector<new_transaction> many;
    for (int i = 0; i < 2300; ++i) many.push_back(make_new("m" + std::to_string(i)));
    world.add(many).value();
    for (int i = 0; i < 2300; ++i) {
        world.door().record(
            make_settlement("m" + std::to_string(i), i, {"mass"}), [this](op_result<recorded_transition> recorded) {
                attempt_record failed = ended(value_of(recorded.value().heads[0].id), delivery_state::pending);
                failed.next_attempt_at = at_ms(60'000);
                world.door().record_attempt(failed, [](auto) {});
            });
    }
    world.run();
    const lane_recovery how{at_ms(9000), [](const waiting_delivery&) { return true; }};
    const auto freed =
        world.ask<std::uint64_t>([&](store& door, auto handler) { door.end_failing("mass", how, std::move(handler)); });
    EXPECT_EQ(freed.value(), 2300U);
    for (const delivery_head& head : world.heads("mass", 5000)) EXPECT_EQ(head.next_attempt_at, at_ms(9000));
}

} // namespace
} // namespace prooftrack
