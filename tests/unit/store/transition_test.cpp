#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/store_world.hpp"

namespace prooftrack {
namespace {

/// What a first attempt gets without loading is what it would have loaded.
void expect_records_as_loaded(store_world& world, const recorded_transition& recorded) {
    ASSERT_EQ(recorded.records.size(), recorded.heads.size());
    for (std::size_t i = 0; i < recorded.heads.size(); ++i) {
        const auto loaded = world.ask<std::optional<delivery_record>>(
            [&](store& door, auto handler) { door.load_delivery(recorded.heads[i].id, std::move(handler)); });
        const delivery_record& stored = *loaded.value();
        const delivery_record& fresh = recorded.records[i];
        EXPECT_EQ(fresh.view, stored.view);
        EXPECT_EQ(fresh.lane, stored.lane);
        EXPECT_EQ(fresh.url, stored.url);
        EXPECT_EQ(fresh.state, stored.state);
        EXPECT_EQ(fresh.status, stored.status);
        EXPECT_EQ(*fresh.body, *stored.body);
    }
}

TEST(Recording, StateHistoryEventAndDeliveriesComeTogether) {
    store_world world;
    new_transaction wanted = make_new("a");
    wanted.metadata = R"({"order": "A-17"})";
    world.add({wanted}).value();
    const transition change = make_settlement("a", 100, {"backend", "ledger"});
    const recorded_transition recorded = world.record(change).value();
    EXPECT_EQ(recorded.seq, event_seq{1});
    ASSERT_EQ(recorded.heads.size(), 2U);
    EXPECT_EQ(recorded.heads[0].lane, "backend");
    EXPECT_EQ(recorded.heads[1].lane, "ledger");
    EXPECT_EQ(recorded.heads[0].next_attempt_at, at_ms(100));
    expect_records_as_loaded(world, recorded);
    EXPECT_EQ(recorded.heads[0].transaction_hash, recorded.heads[1].transaction_hash);
    EXPECT_EQ(*recorded.body,
              "{\"id\":\"" + change.event->id +
                  R"(","type":"transaction.completed","timestamp":"2026-04-01T10:00:00.100Z","data":{)"
                  R"("merchant_transaction_id":"a","state":"settled","status":"completed","previous_status":"pending",)"
                  R"("final":true,"metadata":{"order": "A-17"},"proof":)" +
                  change.reply + "}}");
    const transaction_view view = world.find(make_id("a"));
    EXPECT_EQ(view.facts, change.facts);
    EXPECT_EQ(view.proof, change.reply);
    const event_page page = world.events();
    ASSERT_EQ(page.events.size(), 1U);
    EXPECT_EQ(page.events[0].body, *recorded.body);
    const auto history = world.history(make_id("a"));
    ASSERT_EQ(history->changes.size(), 2U);
    EXPECT_EQ(history->changes[1].from_state, tracking_state::tracking);
    EXPECT_EQ(history->changes[1].from_status, "pending");
    EXPECT_EQ(history->changes[1].to_status, "completed");
    EXPECT_EQ(history->changes[1].request_id, "req-1");
    EXPECT_EQ(history->changes[1].reply_sha256.size(), 64U);
    ASSERT_EQ(history->deliveries.size(), 2U);
    EXPECT_EQ(history->deliveries[0].event_id, change.event->id);
    EXPECT_EQ(history->deliveries[0].event_type, "transaction.completed");
}

TEST(Recording, TheHistoryHoldsTheSha256OfTheReply) {
    store_world world;
    world.add({make_new("a")}).value();
    transition change = make_change("a", tracking_state::tracking, "pending", 1);
    change.reply = "abc";
    world.record(change).value();
    EXPECT_EQ(world.history(make_id("a"))->changes[1].reply_sha256,
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Recording, TheEventCarriesTheLastGoodReplyWhenTheCauseIsNone) {
    store_world world;
    world.add({make_new("a")}).value();
    transition good = make_change("a", tracking_state::tracking, "pending", 1);
    good.reply = R"({"amount":1.10})";
    good.reply_is_good = true;
    good.is_history = false;
    world.record(good).value();
    transition overdue = make_settlement("a", 5, {});
    overdue.facts.state = tracking_state::overdue;
    overdue.reply = "<html>";
    overdue.reply_is_good = false;
    const auto recorded = world.record(overdue).value();
    EXPECT_NE(recorded.body->find(R"("proof":{"amount":1.10}})"), std::string::npos);
    EXPECT_EQ(world.find(make_id("a")).proof, good.reply);
    EXPECT_EQ(world.history(make_id("a"))->changes.size(), 2U); // the beginning and overdue
}

TEST(Recording, SeqHasNoGapsAndTimestampsOfOneTransactionStrictlyIncrease) {
    store_world world;
    world.add({make_new("a"), make_new("b")}).value();
    EXPECT_EQ(world.record(make_settlement("a", 100, {})).value().seq, event_seq{1});
    EXPECT_EQ(world.record(make_settlement("b", 100, {})).value().seq, event_seq{2});
    world.reopen();
    const auto recorded = world.record(make_settlement("a", 50, {}, "failed")).value(); // the clock stepped back
    EXPECT_EQ(recorded.seq, event_seq{3});
    EXPECT_NE(recorded.body->find(R"("timestamp":"2026-04-01T10:00:00.101Z")"), std::string::npos);
}

TEST(Recording, TheLastEventTimeSurvivesARenewal) {
    store_world world;
    world.add({make_new("a")}).value();
    transition abandoned = make_settlement("a", 1000, {});
    abandoned.facts.state = tracking_state::abandoned;
    abandoned.facts.settled_at.reset();
    world.record(abandoned).value();
    world.add({make_new("a", 10)}).value();
    const auto recorded = world.record(make_settlement("a", 20, {})).value();
    EXPECT_NE(recorded.body->find(R"("timestamp":"2026-04-01T10:00:01.001Z")"), std::string::npos);
}

TEST(Recording, ACallbackUrlGetsEverythingButUpdated) {
    store_world world;
    new_transaction wanted = make_new("a");
    wanted.callback_url = "https://shop.example/hook?secret=1";
    wanted.callback_lane = "https://shop.example:443";
    world.add({wanted}).value();
    transition updated = make_settlement("a", 10, {"named"});
    updated.facts.state = tracking_state::tracking;
    updated.facts.settled_at.reset();
    updated.facts.watched = true;
    updated.event->type = event_type::updated;
    EXPECT_EQ(world.record(updated).value().heads.size(), 1U);
    const auto recorded = world.record(make_settlement("a", 20, {"backend"})).value();
    ASSERT_EQ(recorded.heads.size(), 2U);
    EXPECT_EQ(recorded.heads[1].lane, "https://shop.example:443");
    expect_records_as_loaded(world, recorded);
    const auto loaded = world.ask<std::optional<delivery_record>>(
        [&](store& door, auto handler) { door.load_delivery(recorded.heads[1].id, std::move(handler)); });
    const delivery_record& record = *loaded.value();
    EXPECT_EQ(record.view.callback, "callback_url");
    EXPECT_EQ(record.url, "https://shop.example/hook?secret=1");
    EXPECT_EQ(record.lane, "https://shop.example:443");
    EXPECT_EQ(record.state, "settled");
    EXPECT_EQ(record.status, "completed");
    EXPECT_EQ(*record.body, *recorded.body);
    EXPECT_EQ(record.view.event_type, "transaction.completed");
}

TEST(Recording, AnUntrackedTransactionIsNotChangedByALateReply) {
    store_world world;
    world.add({make_new("a")}).value();
    world.record(make_change("a", tracking_state::untracked, "pending", 10)).value();
    const auto late = world.record_as_is(make_settlement("a", 20, {"backend"})); // judged before it was untracked
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code, store_error::stale);
    EXPECT_EQ(late.error().operation, "record a change");
    EXPECT_EQ(world.find(make_id("a")).facts.state, tracking_state::untracked);
    EXPECT_TRUE(world.events().events.empty());
    EXPECT_TRUE(world.deliveries().deliveries.empty());
}

TEST(Recording, AnIdThatIsGoneChangesNothing) {
    store_world world;
    const auto unknown = world.record(make_settlement("a", 20, {"backend"}));
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().code, store_error::not_found);
    world.add({make_new("a")}).value();
    EXPECT_EQ(world.record(make_settlement("a", 20, {})).value().seq, event_seq{1});
}

TEST(Recording, ASecondEventWithTheSameIdFailsAloneAndUsesNoSeq) {
    store_world world;
    world.add({make_new("a"), make_new("b"), make_new("c")}).value();
    transition first = make_settlement("a", 10, {"backend"});
    transition twin = make_settlement("b", 10, {"backend"});
    twin.event->id = first.event->id;
    std::optional<op_result<recorded_transition>> failed;
    world.door().record(first, [](op_result<recorded_transition>) {});
    world.door().record(twin, [&](op_result<recorded_transition> given) { failed.emplace(std::move(given)); });
    const auto third = world.record(make_settlement("c", 10, {"backend"}));
    ASSERT_FALSE(failed->has_value());
    EXPECT_EQ(failed->error().operation, "record a change");
    EXPECT_EQ(third.value().seq, event_seq{2});
    EXPECT_EQ(world.find(make_id("b")).facts.state, tracking_state::tracking);
    EXPECT_EQ(world.status().lanes.at("backend").pending, 2U);
    world.reopen();
    EXPECT_EQ(world.status().lanes.at("backend").pending, 2U);
    EXPECT_EQ(world.events().events.size(), 2U);
}

TEST(Recording, CountsFollowEveryChange) {
    store_world world;
    world.add({make_new("a"), make_new("b"), make_new("c")}).value();
    world.record(make_settlement("a", 10, {})).value();
    transition odd = make_change("b", tracking_state::overdue, "on_hold", 20);
    world.record(odd).value();
    for (int round = 0; round < 2; ++round) {
        const auto counts = world.status().transactions;
        EXPECT_EQ(counts.size(), 3U);
        EXPECT_EQ(counts.at({tracking_state::settled, status_kind::completed}), 1U);
        EXPECT_EQ(counts.at({tracking_state::overdue, status_kind::other}), 1U);
        EXPECT_EQ(counts.at({tracking_state::tracking, status_kind::none}), 1U);
        world.reopen();
    }
}

} // namespace
} // namespace prooftrack
