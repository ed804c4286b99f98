// What is owed: the order of each (callback, transaction), attempts, retries and lists.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Transaction "a" with three events on lane "backend": deliveries 1, 2, 3.
class Deliveries : public store_contract {
  protected:
    void SetUp() override {
        world.add({make_new("a"), make_new("b")}).value();
        for (int i = 1; i <= 3; ++i) world.record(make_settlement("a", i * 10, {"backend"})).value();
    }
    std::vector<std::uint64_t> head_ids(const std::string& lane = "backend") {
        std::vector<std::uint64_t> ids;
        for (const delivery_head& each : world.heads(lane)) ids.push_back(value_of(each.id));
        return ids;
    }
    track::delivery_view view(std::uint64_t id) { return world.load_delivery(id).value().view; }
    static attempt_record ended(std::uint64_t id, track::delivery_state state, std::uint32_t attempts = 1) {
        const bool arrived = state == track::delivery_state::delivered;
        return {delivery_id{id}, at_ms(1000), attempts, state, arrived ? 200 : 500, arrived ? "" : "500", std::nullopt};
    }
    static attempt_record failed(std::uint64_t id, std::int64_t next_ms, std::uint32_t attempts = 1) {
        attempt_record made = ended(id, track::delivery_state::pending, attempts);
        made.next_attempt_at = at_ms(next_ms);
        return made;
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Deliveries, every_store(), store_name);

TEST_P(Deliveries, OnlyTheFirstOfATransactionIsAHead) {
    EXPECT_THAT(head_ids(), ElementsAre(1U));
    EXPECT_EQ(view(1).next_attempt_at, at_ms(10));
    EXPECT_EQ(view(2).next_attempt_at, std::nullopt);
    EXPECT_EQ(view(2).state, track::delivery_state::pending);
    const lane_summary lane = world.status().lanes.at("backend");
    EXPECT_EQ(lane.pending, 3U);
    EXPECT_EQ(lane.oldest_pending, at_ms(10));
    EXPECT_TRUE(world.record(make_settlement("a", 40, {"backend"})).value().heads.empty());
}

TEST_P(Deliveries, AnEndPromotesTheNextOne) {
    const auto next = world.attempt(ended(1, track::delivery_state::delivered));
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->id, delivery_id{2});
    EXPECT_EQ(next->next_attempt_at, at_ms(1000)) << "due at once";
    EXPECT_EQ(next->lane, "backend");
    EXPECT_EQ(next->attempts, 0U);
    EXPECT_FALSE(next->waits);
    EXPECT_THAT(head_ids(), ElementsAre(2U));
    EXPECT_EQ(view(1).state, track::delivery_state::delivered);
    EXPECT_EQ(view(1).last_status, 200);
    EXPECT_EQ(view(1).last_error, "");
    EXPECT_EQ(view(1).attempts, 1U);
    EXPECT_EQ(view(1).next_attempt_at, std::nullopt);
    const auto after_dead = world.attempt(ended(2, track::delivery_state::dead));
    EXPECT_EQ(after_dead->id, delivery_id{3});
    EXPECT_EQ(view(2).state, track::delivery_state::dead);
    EXPECT_EQ(view(2).last_error, "500");
    EXPECT_EQ(world.attempt(ended(3, track::delivery_state::delivered)), std::nullopt);
    const lane_summary lane = world.status().lanes.at("backend");
    EXPECT_EQ(lane.pending, 0U);
    EXPECT_EQ(lane.dead, 1U);
    EXPECT_EQ(lane.oldest_pending, std::nullopt);
}

TEST_P(Deliveries, OneTransactionsDeliveriesOnTwoLanesDoNotWaitForEachOther) {
    world.add({make_new("c")}).value();
    world.record(make_settlement("c", 10, {"backend", "ledger"})).value(); // 4 and 5
    const auto second = world.record(make_settlement("c", 20, {"backend", "ledger"})).value();
    EXPECT_THAT(second.heads, IsEmpty());
    EXPECT_EQ(world.attempt(ended(5, track::delivery_state::delivered))->id, delivery_id{7});
    EXPECT_THAT(head_ids(), ElementsAre(1U, 4U));
    EXPECT_THAT(head_ids("ledger"), ElementsAre(7U));
}

TEST_P(Deliveries, ACallbackUrlIsOneCallbackWhateverItsHost) {
    const auto track = [this](std::int64_t ms, const std::string& host) {
        track::new_transaction wanted = make_new("u", ms);
        wanted.callback_url = "https://" + host + "/";
        wanted.callback_lane = "https://" + host + ":443";
        world.add({wanted}).value();
    };
    transition abandoned = make_settlement("u", 10, {"backend"});
    abandoned.facts = make_change("u", track::tracking_state::abandoned, "pending", 10).facts;
    track(0, "old.example");
    EXPECT_EQ(world.record(abandoned).value().heads.size(), 2U); // 4 and 5
    track(20, "new.example");
    EXPECT_THAT(world.record(make_settlement("u", 30, {"backend"})).value().heads, IsEmpty()); // 6 and 7
    EXPECT_TRUE(world.heads("https://new.example:443").empty()) << "events keep their order";
    EXPECT_TRUE(world.retry(7, at_ms(40))->waits);
    const auto next = world.attempt(ended(5, track::delivery_state::dead));
    ASSERT_TRUE(next.has_value());
    EXPECT_EQ(next->id, delivery_id{7});
    EXPECT_EQ(next->lane, "https://new.example:443");
    EXPECT_THAT(head_ids("https://new.example:443"), ElementsAre(7U));
    EXPECT_EQ(world.retry_dead("callback_url", at_ms(50)), 1U);
    EXPECT_TRUE(head_ids("https://old.example:443").empty()) << "it waits for the other host now";
    EXPECT_EQ(world.attempt(ended(7, track::delivery_state::delivered))->lane, "https://old.example:443");
    EXPECT_THAT(head_ids("https://old.example:443"), ElementsAre(5U));
    EXPECT_THAT(head_ids(), ElementsAre(1U, 4U)) << "the other callback has an order of its own";
}

TEST_P(Deliveries, AFailureIsDurableWithItsNextTime) {
    EXPECT_EQ(world.attempt(failed(1, 6000)), std::nullopt);
    world.reopen();
    const track::delivery_view after = view(1);
    EXPECT_EQ(after.state, track::delivery_state::pending);
    EXPECT_EQ(after.attempts, 1U);
    EXPECT_EQ(after.last_error, "500");
    EXPECT_EQ(after.last_status, 500);
    EXPECT_EQ(after.last_attempt_at, at_ms(1000));
    EXPECT_EQ(after.next_attempt_at, at_ms(6000));
    EXPECT_THAT(head_ids(), ElementsAre(1U)) << "it keeps its place";
}

TEST_P(Deliveries, HeadsOfALaneComeByTheirTimeAndThenInTheirOrder) {
    world.attempt(failed(1, 6000));
    world.add({make_new("c")}).value();
    world.record(make_settlement("b", 500, {"backend", "other"})).value(); // 4 and 5
    world.record(make_settlement("c", 500, {"backend"})).value();
    EXPECT_THAT(head_ids(), ElementsAre(4U, 6U, 1U));
    const std::vector<delivery_head> heads = world.heads("backend");
    EXPECT_EQ(heads[2].attempts, 1U);
    EXPECT_EQ(heads[2].next_attempt_at, at_ms(6000));
    EXPECT_NE(heads[0].transaction_hash, heads[1].transaction_hash);
    EXPECT_EQ(heads[0].transaction_hash, world.heads("other").at(0).transaction_hash);
    EXPECT_EQ(world.heads("backend", 2).size(), 2U);
    EXPECT_EQ(world.heads("backend", 2)[1].id, delivery_id{6});
    EXPECT_THAT(head_ids("other"), ElementsAre(5U));
    EXPECT_TRUE(world.heads("nobody").empty());
}

TEST_P(Deliveries, ARetryOfADeadOneArrivesOutOfOrderAndPromotesNobodyTwice) {
    world.attempt(ended(1, track::delivery_state::dead)); // 2 is the head
    const delivery_head retried = world.retry(1, at_ms(2000)).value();
    EXPECT_EQ(retried.id, delivery_id{1});
    EXPECT_EQ(retried.attempts, 0U);
    EXPECT_EQ(retried.next_attempt_at, at_ms(2000));
    EXPECT_FALSE(retried.waits);
    EXPECT_THAT(head_ids(), ElementsAre(2U, 1U));
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::delivered)), std::nullopt) << "2 is going already";
    EXPECT_EQ(world.attempt(ended(2, track::delivery_state::delivered))->id, delivery_id{3});
}

TEST_P(Deliveries, ARetryOfADeliveredOneSendsItAgain) {
    world.attempt(ended(1, track::delivery_state::delivered));
    EXPECT_FALSE(world.retry(1, at_ms(2000))->waits);
    EXPECT_EQ(view(1).state, track::delivery_state::pending);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 3U);
}

TEST_P(Deliveries, ARetryOfAPendingHeadIsDueNow) {
    world.attempt(failed(1, 99'000));
    EXPECT_EQ(world.retry(1, at_ms(2000))->next_attempt_at, at_ms(2000));
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(2000));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 3U);
}

TEST_P(Deliveries, ARetryBehindAnotherWaitsForItsOrder) {
    const delivery_head waiting = world.retry(3, at_ms(2000)).value();
    EXPECT_TRUE(waiting.waits);
    EXPECT_EQ(waiting.id, delivery_id{3});
    EXPECT_THAT(head_ids(), ElementsAre(1U));
    EXPECT_EQ(view(3).next_attempt_at, std::nullopt);
}

TEST_P(Deliveries, ARetryOfNothingIsNotFound) {
    const auto nothing = world.retry(77, at_ms(2000));
    ASSERT_FALSE(nothing.has_value());
    EXPECT_EQ(nothing.error().code, store_error::not_found);
    EXPECT_FALSE(world.load_delivery(77).has_value());
}

TEST_P(Deliveries, AnOlderAttemptsFailureDoesNotUndoARetry) {
    world.attempt(failed(1, 6000));
    world.retry(1, at_ms(7000)).value(); // while the second attempt is on its way
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::dead, 2)), std::nullopt);
    EXPECT_EQ(world.attempt(failed(1, 9000, 2)), std::nullopt);
    EXPECT_EQ(view(1).state, track::delivery_state::pending);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).next_attempt_at, at_ms(7000));
    // A success of it ends the delivery all the same: the receiver has it.
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::delivered, 2))->id, delivery_id{2});
}

TEST_P(Deliveries, AFailureThatItsMakerKnowsToBeOvertakenCountsAsNoAttempt) {
    world.attempt(failed(1, 6000));
    world.retry(1, at_ms(7000)).value();
    EXPECT_EQ(world.attempt(failed(1, 8000, 0)), std::nullopt);
    EXPECT_EQ(view(1).attempts, 0U);
    EXPECT_EQ(view(1).last_attempt_at, at_ms(1000));
    EXPECT_EQ(view(1).next_attempt_at, at_ms(8000));
    EXPECT_THAT(head_ids(), ElementsAre(1U));
}

TEST_P(Deliveries, AnAttemptOfWhatHasEndedOrIsGoneChangesNothing) {
    world.attempt(ended(1, track::delivery_state::delivered));
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::dead, 2)), std::nullopt);
    EXPECT_EQ(world.attempt(failed(1, 9000, 2)), std::nullopt);
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::delivered, 2)), std::nullopt);
    EXPECT_EQ(view(1).state, track::delivery_state::delivered);
    EXPECT_EQ(view(1).attempts, 1U);
    EXPECT_THAT(head_ids(), ElementsAre(2U));
    EXPECT_EQ(world.attempt(ended(99, track::delivery_state::dead)), std::nullopt);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
}

TEST_P(Deliveries, AllDeadOnesOfACallbackAreRetriedInOrder) {
    for (std::uint64_t id = 1; id <= 3; ++id) world.attempt(ended(id, track::delivery_state::dead));
    world.record(make_settlement("b", 50, {"other"})).value();
    world.attempt(ended(4, track::delivery_state::dead));
    EXPECT_EQ(world.retry_dead("backend", at_ms(5000)), 3U);
    EXPECT_THAT(head_ids(), ElementsAre(1U)) << "2 and 3 wait behind it";
    EXPECT_EQ(view(1).next_attempt_at, at_ms(5000));
    EXPECT_EQ(view(2).next_attempt_at, std::nullopt);
    EXPECT_EQ(view(2).attempts, 0U);
    EXPECT_TRUE(head_ids("other").empty());
    EXPECT_EQ(world.retry_dead("backend", at_ms(5500)), 0U);
    EXPECT_EQ(world.retry_dead(std::nullopt, at_ms(6000)), 1U);
    EXPECT_THAT(head_ids("other"), ElementsAre(4U));
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::delivered))->id, delivery_id{2});
    const auto lanes = world.status().lanes;
    EXPECT_EQ(lanes.at("backend").dead, 0U);
    EXPECT_EQ(lanes.at("backend").pending, 2U);
}

TEST_P(Deliveries, ADeadOneThatIsRetriedWithAllWaitsForWhatIsGoing) {
    world.attempt(ended(1, track::delivery_state::dead)); // 2 is going
    EXPECT_EQ(world.retry_dead("backend", at_ms(5000)), 1U);
    EXPECT_THAT(head_ids(), ElementsAre(2U));
    EXPECT_EQ(world.attempt(ended(2, track::delivery_state::delivered))->id, delivery_id{1});
    EXPECT_EQ(world.attempt(ended(1, track::delivery_state::delivered))->id, delivery_id{3});
}

TEST_P(Deliveries, ThousandsOfDeadOnesAreAllRetried) {
    constexpr int number = 2300;
    std::vector<track::new_transaction> many;
    for (int i = 0; i < number; ++i) many.push_back(make_new("m" + std::to_string(i)));
    world.add(many).value();
    const auto kill = [this](const op_result<recorded_transition>& recorded) {
        world.subject().record_attempt(
            ended(value_of(recorded.value().heads.at(0).id), track::delivery_state::dead), [](auto) {});
    };
    for (int i = 0; i < number; ++i)
        world.subject().record(make_settlement("m" + std::to_string(i), i, {"mass"}), kill);
    world.run();
    EXPECT_EQ(world.status().lanes.at("mass").dead, 2300U);
    EXPECT_EQ(world.retry_dead("mass", at_ms(9000)), 2300U);
    EXPECT_EQ(world.status().lanes.at("mass").dead, 0U);
    EXPECT_EQ(world.heads("mass", 5000).size(), 2300U);
}

class DeliveryLists : public Deliveries {
  protected:
    void SetUp() override {
        Deliveries::SetUp();
        world.record(make_settlement("b", 50, {"backend", "other"})).value(); // 4 and 5
        world.attempt(ended(1, track::delivery_state::dead));
        world.attempt(ended(2, track::delivery_state::delivered));
    }
    std::vector<std::uint64_t> ids(
        std::optional<track::delivery_state> state, std::optional<std::string> callback,
        std::optional<std::string> transaction, std::size_t limit = 100) {
        std::vector<std::uint64_t> found;
        track::delivery_query query;
        query.state = state;
        query.callback = std::move(callback);
        query.transaction = std::move(transaction);
        query.limit = limit;
        do {
            const track::delivery_page page = world.deliveries(query);
            EXPECT_LE(page.deliveries.size(), limit);
            for (const track::delivery_view& each : page.deliveries) found.push_back(value_of(each.id));
            query.cursor = page.next_cursor;
        } while (!query.cursor.empty());
        return found;
    }
};
INSTANTIATE_TEST_SUITE_P(Store, DeliveryLists, every_store(), store_name);

TEST_P(DeliveryLists, AreNewestFirstAndFilterByStateCallbackAndTransaction) {
    for (const std::size_t limit : {1U, 2U, 100U}) {
        EXPECT_THAT(ids({}, {}, {}, limit), ElementsAre(5U, 4U, 3U, 2U, 1U));
        EXPECT_THAT(ids(track::delivery_state::pending, {}, {}, limit), ElementsAre(5U, 4U, 3U));
        EXPECT_THAT(ids(track::delivery_state::pending, "backend", {}, limit), ElementsAre(4U, 3U));
        EXPECT_THAT(ids(track::delivery_state::dead, {}, {}, limit), ElementsAre(1U));
        EXPECT_THAT(ids(track::delivery_state::delivered, {}, {}, limit), ElementsAre(2U));
        EXPECT_THAT(ids({}, "other", {}, limit), ElementsAre(5U));
        EXPECT_THAT(ids({}, {}, "a", limit), ElementsAre(3U, 2U, 1U));
        EXPECT_THAT(ids(track::delivery_state::pending, {}, "b", limit), ElementsAre(5U, 4U));
        EXPECT_THAT(ids(track::delivery_state::pending, "other", "b", limit), ElementsAre(5U));
        EXPECT_THAT(ids({}, {}, "nobody", limit), IsEmpty());
        EXPECT_THAT(ids({}, "nobody", {}, limit), IsEmpty());
    }
}

TEST_P(DeliveryLists, HoldEveryCallbackUrlUnderOneName) {
    track::new_transaction wanted = make_new("u");
    wanted.callback_url = "https://shop.example/";
    wanted.callback_lane = "https://shop.example:443";
    world.add({wanted}).value();
    world.record(make_settlement("u", 10, {})).value();
    EXPECT_THAT(ids({}, "callback_url", {}), ElementsAre(6U));
    EXPECT_THAT(ids(track::delivery_state::pending, "callback_url", {}), ElementsAre(6U));
    world.attempt(ended(6, track::delivery_state::dead));
    EXPECT_THAT(ids(track::delivery_state::dead, "callback_url", {}), ElementsAre(6U));
    EXPECT_EQ(world.retry_dead("callback_url", at_ms(1)), 1U);
}

TEST_P(DeliveryLists, AListedOneIsAsLoadedAlone) {
    for (const track::delivery_view& each : world.deliveries().deliveries) EXPECT_EQ(each, view(value_of(each.id)));
}

TEST_P(DeliveryLists, PagesFollowTheCursorAndAreStableUnderNewOnes) {
    track::delivery_query query;
    query.state = track::delivery_state::pending;
    query.limit = 2;
    track::delivery_page page = world.deliveries(query);
    EXPECT_EQ(page.deliveries.size(), 2U);
    query.cursor = page.next_cursor;
    world.record(make_settlement("b", 60, {"backend"})).value(); // newer: not on a later page
    page = world.deliveries(query);
    ASSERT_EQ(page.deliveries.size(), 1U);
    EXPECT_EQ(page.deliveries[0].id, delivery_id{3});
    EXPECT_EQ(page.next_cursor, "");
}

} // namespace
} // namespace prooftrack::store
