// Pauses, flushes and dismissals.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Controls : public store_contract {
  protected:
    std::optional<wall_time> set_paused(const std::string& callback, std::optional<wall_time> since) {
        return world
            .ask<std::optional<wall_time>>(
                [&](store& subject, auto handler) { subject.set_paused(callback, since, std::move(handler)); })
            .value();
    }
    op_result<std::uint64_t> flush(const std::string& callback, wall_time now) {
        return world.ask<std::uint64_t>(
            [&](store& subject, auto handler) { subject.flush_callback(callback, now, std::move(handler)); });
    }
    op_result<track::delivery_view> dismiss(std::uint64_t id, const std::string& note = "") {
        return world.ask<track::delivery_view>(
            [&](store& subject, auto handler) { subject.dismiss_delivery(delivery_id{id}, note, std::move(handler)); });
    }
    std::uint64_t dismiss_dead(const std::optional<std::string>& callback, const std::string& note = "") {
        return world
            .ask<std::uint64_t>(
                [&](store& subject, auto handler) { subject.dismiss_dead(callback, note, std::move(handler)); })
            .value();
    }
    op_result<std::uint64_t> retry_dead(const std::optional<std::string>& callback) {
        return world.ask<std::uint64_t>(
            [&](store& subject, auto handler) { subject.retry_dead(callback, at_ms(9000), std::move(handler)); });
    }

    /// An event of a new transaction for each of the callbacks: deliveries from the returned id on.
    std::uint64_t owe(const std::string& id, const std::vector<std::string>& callbacks, std::int64_t ms = 1) {
        world.add({make_new(id)}).value();
        const auto recorded = world.record(make_settlement(id, ms, callbacks)).value();
        return value_of(recorded.heads.at(0).id);
    }
    void fail(std::uint64_t id, std::uint32_t attempts, std::int64_t next_ms) {
        world.attempt(
            {delivery_id{id}, at_ms(100), attempts, track::delivery_state::pending, 500, "500", at_ms(next_ms)});
    }
    std::uint64_t kill(const std::string& id, const std::vector<std::string>& callbacks) {
        const std::uint64_t first = owe(id, callbacks);
        for (std::uint64_t each = 0; each < callbacks.size(); ++each)
            world.attempt({delivery_id{first + each}, at_ms(100), 1, track::delivery_state::dead, 410, "410", {}});
        return first;
    }
    std::vector<std::uint64_t> ids_of(track::delivery_query query) {
        std::vector<std::uint64_t> ids;
        do {
            const track::delivery_page page = world
                                                  .ask<track::delivery_page>([&](store& subject, auto handler) {
                                                      subject.deliveries(query, std::move(handler));
                                                  })
                                                  .value();
            for (const track::delivery_view& view : page.deliveries) ids.push_back(value_of(view.id));
            query.cursor = page.next_cursor;
        } while (!query.cursor.empty());
        return ids;
    }
    std::vector<std::uint64_t> dismissed_ids(std::optional<std::string> callback = {}) {
        track::delivery_query query;
        query.state = track::delivery_state::dismissed;
        query.callback = std::move(callback);
        query.limit = 2;
        return ids_of(std::move(query));
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Controls, every_store(), store_name);

// ---- pauses

TEST_P(Controls, APauseLastsWithItsBeginningUntilItIsEnded) {
    EXPECT_EQ(set_paused("backend", at_ms(5)), at_ms(5));
    EXPECT_EQ(set_paused("backend", at_ms(9)), at_ms(5)) << "a second one changes nothing";
    EXPECT_EQ(set_paused("ledger", at_ms(7)), at_ms(7));
    world.reopen();
    EXPECT_EQ(world.status().pauses, (std::map<std::string, wall_time>{{"backend", at_ms(5)}, {"ledger", at_ms(7)}}));
    EXPECT_EQ(set_paused("backend", std::nullopt), std::nullopt);
    EXPECT_EQ(set_paused("backend", std::nullopt), std::nullopt);
    world.reopen();
    EXPECT_EQ(world.status().pauses, (std::map<std::string, wall_time>{{"ledger", at_ms(7)}}));
}

TEST_P(Controls, APauseIsThereWholeOrNotAtAllAfterACrash) {
    const auto pause = [](store& subject) {
        subject.set_paused("backend", at_ms(5), [](const op_result<std::optional<wall_time>>&) {});
    };
    world.crash(crash_point::before_commit, 1, pause);
    EXPECT_THAT(world.status().pauses, IsEmpty());
    world.crash(crash_point::after_commit, 2, pause);
    EXPECT_EQ(world.status().pauses.size(), 1U);
}

TEST_P(Controls, AFullDiskRefusesThemAll) {
    const std::uint64_t dead = kill("t1", {"backend"});
    fail(owe("t2", {"backend"}), 1, 60'000);
    world.set_full(true);
    const auto paused = world.ask<std::optional<wall_time>>(
        [&](store& subject, auto handler) { subject.set_paused("backend", at_ms(5), std::move(handler)); });
    EXPECT_EQ(paused.error().code, store_error::full);
    EXPECT_EQ(flush("backend", at_ms(5)).error().code, store_error::full);
    EXPECT_EQ(dismiss(dead).error().code, store_error::full);
    world.set_full(false);
    EXPECT_EQ(world.status().lanes.at("backend").dead, 1U);
    EXPECT_THAT(world.status().pauses, IsEmpty());
}

TEST_P(Controls, WhatIsPausedIsOwedAndRecordedAsEver) {
    set_paused("backend", at_ms(1));
    const std::uint64_t id = owe("t1", {"backend"});
    fail(id, 1, 5000);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(world.heads("backend").at(0).next_attempt_at, at_ms(5000));
}

TEST_P(Controls, ARetryByHandOfAPausedCallbackIsRefused) {
    const std::uint64_t first = kill("t1", {"backend", "ledger"});
    set_paused("backend", at_ms(1));
    const auto one = world.retry(first, at_ms(9000));
    EXPECT_EQ(one.error().code, store_error::paused);
    EXPECT_EQ(one.error().detail, "backend");
    EXPECT_EQ(world.retry(first + 99, at_ms(9000)).error().code, store_error::not_found);
    EXPECT_EQ(retry_dead("backend").error().code, store_error::paused);
    EXPECT_EQ(retry_dead(std::nullopt).value(), 1U) << "those of the others go";
    EXPECT_EQ(world.status().lanes.at("backend").dead, 1U);
    EXPECT_EQ(world.status().lanes.at("ledger").dead, 0U);
    const auto none = retry_dead(std::nullopt);
    EXPECT_EQ(none.error().code, store_error::paused) << "there are no others";
    EXPECT_EQ(none.error().detail, "backend");
    set_paused("backend", std::nullopt);
    EXPECT_EQ(retry_dead(std::nullopt).value(), 1U);
    set_paused("backend", at_ms(2));
    EXPECT_EQ(retry_dead("backend").error().code, store_error::paused) << "also with none that is dead";
    EXPECT_EQ(retry_dead(std::nullopt).value(), 0U);
}

// ---- flush

TEST_P(Controls, AFlushMakesDueWhatWaitsForALaterTime) {
    const std::uint64_t waiting = owe("t1", {"backend"});
    const std::uint64_t due = owe("t2", {"backend"});
    const std::uint64_t other = owe("t3", {"ledger"});
    fail(waiting, 1, 60'000);
    fail(other, 1, 60'000);
    EXPECT_EQ(flush("backend", at_ms(200)).value(), 2U);
    const auto heads = world.heads("backend");
    ASSERT_EQ(heads.size(), 2U);
    EXPECT_EQ(heads[0].id, delivery_id{due});
    EXPECT_EQ(heads[0].next_attempt_at, at_ms(1)) << "due before";
    EXPECT_EQ(heads[1].id, delivery_id{waiting});
    EXPECT_EQ(heads[1].next_attempt_at, at_ms(200));
    EXPECT_EQ(heads[1].attempts, 1U) << "its attempt counts";
    EXPECT_EQ(world.heads("ledger").at(0).next_attempt_at, at_ms(60'000));
    EXPECT_EQ(flush("nobody", at_ms(200)).value(), 0U);
}

TEST_P(Controls, AFlushKeepsTheOrderOfATransaction) {
    const std::uint64_t first = owe("t1", {"backend"});
    fail(first, 1, 60'000);
    EXPECT_THAT(world.record(make_settlement("t1", 9, {"backend"}, "failed")).value().heads, IsEmpty());
    EXPECT_EQ(flush("backend", at_ms(200)).value(), 2U);
    const auto heads = world.heads("backend");
    ASSERT_EQ(heads.size(), 1U);
    EXPECT_EQ(heads[0].id, delivery_id{first});
}

TEST_P(Controls, AFlushOfAPausedCallbackChangesNothing) {
    const std::uint64_t id = owe("t1", {"backend"});
    fail(id, 1, 60'000);
    set_paused("backend", at_ms(1));
    const auto refused = flush("backend", at_ms(200));
    EXPECT_EQ(refused.error().code, store_error::paused);
    EXPECT_EQ(refused.error().detail, "backend");
    EXPECT_EQ(world.heads("backend").at(0).next_attempt_at, at_ms(60'000));
}

TEST_P(Controls, CallbackUrlIsFlushedOnAllItsLanes) {
    for (const char* id : {"t1", "t2"}) {
        track::new_transaction wanted = make_new(id);
        wanted.callback_lane = std::string("https://") + id + ".shop.example:443";
        wanted.callback_url = std::string("https://") + id + ".shop.example/";
        world.add({wanted}).value();
        const auto owed = world.record(make_settlement(id, 1, {})).value();
        fail(value_of(owed.heads.at(0).id), 1, 60'000);
    }
    EXPECT_EQ(flush("callback_url", at_ms(200)).value(), 2U);
    for (const char* lane : {"https://t1.shop.example:443", "https://t2.shop.example:443"})
        EXPECT_EQ(world.heads(lane).at(0).next_attempt_at, at_ms(200)) << lane;
}

TEST_P(Controls, VeryManyAreFlushedAndDismissed) {
    constexpr int number = 2300;
    std::vector<track::new_transaction> many;
    for (int i = 0; i < number; ++i) many.push_back(make_new("m" + std::to_string(i)));
    world.add(many).value();
    const auto defer = [this](const op_result<recorded_transition>& recorded) {
        const delivery_id id = recorded.value().heads.at(0).id;
        world.subject().record_attempt(
            {id, at_ms(3000), 1, track::delivery_state::pending, 500, "500", at_ms(60'000)}, [](auto) {});
    };
    for (int i = 0; i < number; ++i)
        world.subject().record(make_settlement("m" + std::to_string(i), i, {"mass"}), defer);
    world.run();
    EXPECT_EQ(flush("mass", at_ms(9000)).value(), 2300U);
    const std::vector<delivery_head> heads = world.heads("mass", 5000);
    EXPECT_EQ(heads.size(), 2300U);
    for (const delivery_head& head : heads) ASSERT_EQ(head.next_attempt_at, at_ms(9000));
    for (const delivery_head& head : heads)
        world.subject().record_attempt(
            {head.id, at_ms(9001), 2, track::delivery_state::dead, 500, "500", std::nullopt}, [](auto) {});
    world.run();
    EXPECT_EQ(world.status().lanes.at("mass").dead, 2300U);
    EXPECT_EQ(dismiss_dead("mass", "all of them"), 2300U);
    EXPECT_EQ(world.status().lanes.at("mass").dead, 0U);
    EXPECT_EQ(dismiss_dead("mass"), 0U);
}

// ---- dismiss

TEST_P(Controls, ADismissedDeliveryCountsAsDeadNoMoreAndKeepsItsNote) {
    const std::uint64_t first = kill("t1", {"backend", "ledger"});
    const track::delivery_view view = dismiss(first, "told by phone").value();
    EXPECT_EQ(view.id, delivery_id{first});
    EXPECT_EQ(view.state, track::delivery_state::dismissed);
    EXPECT_EQ(view.note, "told by phone");
    EXPECT_EQ(view.attempts, 1U);
    EXPECT_EQ(view.last_error, "410");
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
    EXPECT_EQ(world.status().lanes.at("ledger").dead, 1U);
    world.reopen();
    EXPECT_EQ(world.status().lanes.at("backend").dead, 0U);
    EXPECT_EQ(world.load_delivery(first).value().view.note, "told by phone");
    EXPECT_EQ(world.load_delivery(first + 1).value().view.note, "");
    EXPECT_EQ(world.history(make_id("t1")).value().deliveries.at(0).note, "told by phone");
}

TEST_P(Controls, OnlyADeadOneIsDismissed) {
    const std::uint64_t pending = owe("t1", {"backend"});
    const auto refused = dismiss(pending);
    EXPECT_EQ(refused.error().code, store_error::not_dead);
    EXPECT_EQ(refused.error().detail, "pending");
    world.attempt({delivery_id{pending}, at_ms(9), 1, track::delivery_state::delivered, 200, "", {}});
    EXPECT_EQ(dismiss(pending).error().detail, "delivered");
    const std::uint64_t dead = kill("t2", {"backend"});
    EXPECT_TRUE(dismiss(dead));
    EXPECT_EQ(dismiss(dead, "again").error().detail, "dismissed");
    EXPECT_EQ(world.load_delivery(dead).value().view.note, "");
    EXPECT_EQ(dismiss(999).error().code, store_error::not_found);
}

TEST_P(Controls, AllDeadOnesOfOneCallbackOrOfAllAreDismissed) {
    kill("t1", {"backend", "ledger"});
    kill("t2", {"backend"});
    owe("t3", {"backend"});
    EXPECT_EQ(dismiss_dead("backend", "gone"), 2U);
    EXPECT_EQ(world.status().lanes.at("ledger").dead, 1U);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(dismiss_dead(std::nullopt), 1U);
    EXPECT_EQ(dismiss_dead(std::nullopt), 0U);
}

TEST_P(Controls, DismissedOnesAreListedByTheirState) {
    const std::uint64_t first = kill("t1", {"backend", "ledger", "audit"});
    const std::uint64_t other = kill("t2", {"backend"});
    EXPECT_THAT(dismissed_ids(), IsEmpty());
    dismiss(first).value();
    dismiss(first + 1).value();
    dismiss(other).value();
    EXPECT_THAT(dismissed_ids(), ElementsAre(other, first + 1, first));
    EXPECT_THAT(dismissed_ids("backend"), ElementsAre(other, first));
    track::delivery_query dead;
    dead.state = track::delivery_state::dead;
    EXPECT_THAT(ids_of(dead), ElementsAre(first + 2));
}

TEST_P(Controls, WhatWasDismissedWasNotDelivered) {
    dismiss(kill("t1", {"backend"})).value();
    track::transaction_query query;
    query.not_delivered_to = "backend";
    const track::transaction_page page = world.list(query);
    ASSERT_EQ(page.transactions.size(), 1U);
    EXPECT_EQ(page.transactions[0].id.str(), "t1");
}

TEST_P(Controls, ADismissedOneIsSentAgainByHandAndKeepsItsNote) {
    const std::uint64_t id = kill("t1", {"backend"});
    dismiss(id, "no longer needed").value();
    EXPECT_EQ(retry_dead(std::nullopt).value(), 0U) << "it is dead no more";
    EXPECT_EQ(world.retry(id, at_ms(9000)).value().next_attempt_at, at_ms(9000));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    const track::delivery_view view = world.load_delivery(id).value().view;
    EXPECT_EQ(view.state, track::delivery_state::pending);
    EXPECT_EQ(view.attempts, 0U);
    EXPECT_EQ(view.note, "no longer needed");
}

TEST_P(Controls, ADismissedOneHoldsNothingOfItsTransaction) {
    const std::uint64_t id = kill("t1", {"backend"});
    dismiss(id).value();
    EXPECT_EQ(world.record(make_settlement("t1", 9, {"backend"}, "failed")).value().heads.size(), 1U);
}

} // namespace
} // namespace prooftrack::store
