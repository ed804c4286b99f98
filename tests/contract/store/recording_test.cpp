// record: a change is written whole, with its event and deliveries, for the revision that it was judged for, or not at
// all.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::HasSubstr;

class Recording : public store_contract {
  protected:
    /// What a first attempt gets without loading is what it would have loaded.
    void expect_records_as_loaded(const recorded_transition& recorded) {
        ASSERT_EQ(recorded.records.size(), recorded.heads.size());
        for (std::size_t i = 0; i < recorded.heads.size(); ++i) {
            const auto stored = world.load_delivery(value_of(recorded.heads[i].id));
            const delivery_record& fresh = recorded.records[i];
            ASSERT_TRUE(stored.has_value());
            EXPECT_EQ(fresh.view, stored->view);
            EXPECT_EQ(fresh.lane, stored->lane);
            EXPECT_EQ(fresh.url, stored->url);
            EXPECT_EQ(fresh.state, stored->state);
            EXPECT_EQ(fresh.status, stored->status);
            EXPECT_EQ(*fresh.body, *stored->body);
            EXPECT_EQ(fresh.recorded_at, stored->recorded_at);
            EXPECT_EQ(fresh.traceparent, stored->traceparent);
        }
    }
    /// Everything of "a" is as it was added at 0.
    void expect_untouched(std::size_t changes = 1) {
        world.reopen();
        EXPECT_EQ(world.find(make_id("a")).proof, "");
        EXPECT_EQ(world.history(make_id("a"))->changes.size(), changes);
        EXPECT_TRUE(world.events().events.empty());
        EXPECT_EQ(world.events().last_seq, event_seq{0});
        EXPECT_TRUE(world.deliveries().deliveries.empty());
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Recording, every_store(), store_name);

TEST_P(Recording, StateHistoryEventAndDeliveriesComeTogether) {
    track::new_transaction wanted = make_new("a");
    wanted.metadata = R"({"order": "A-17"})";
    world.add({wanted}).value();
    const transition change = make_settlement("a", 100, {"backend", "ledger"});
    const recorded_transition recorded = world.record(change).value();
    EXPECT_EQ(recorded.seq, event_seq{1});
    EXPECT_EQ(recorded.revision, row_revision{2});
    ASSERT_EQ(recorded.heads.size(), 2U);
    EXPECT_EQ(recorded.heads[0].lane, "backend");
    EXPECT_EQ(recorded.heads[1].lane, "ledger");
    EXPECT_LT(recorded.heads[0].id, recorded.heads[1].id);
    for (const delivery_head& head : recorded.heads) {
        EXPECT_EQ(head.next_attempt_at, at_ms(100));
        EXPECT_EQ(head.attempts, 0U);
        EXPECT_FALSE(head.waits);
    }
    expect_records_as_loaded(recorded);
    EXPECT_EQ(
        *recorded.body,
        "{\"id\":\"" + change.event->id +
            R"(","type":"transaction.completed","timestamp":"2026-04-01T10:00:00.100Z","data":{)"
            R"("merchant_transaction_id":"a","state":"settled","status":"completed","previous_status":"pending",)"
            R"("final":true,"metadata":{"order": "A-17"},"proof":)" +
            change.reply + "}}");
    const track::transaction_view view = world.find(make_id("a"));
    EXPECT_EQ(view.facts, change.facts);
    EXPECT_EQ(view.proof, change.reply);
    EXPECT_EQ(view.revision, row_revision{2});
    const event_page page = world.events();
    ASSERT_EQ(page.events.size(), 1U);
    EXPECT_EQ(page.events[0].body, *recorded.body);
    const auto history = world.history(make_id("a"));
    ASSERT_EQ(history->changes.size(), 2U);
    EXPECT_EQ(history->changes[1].at, at_ms(100));
    EXPECT_EQ(history->changes[1].from_state, track::tracking_state::tracking);
    EXPECT_EQ(history->changes[1].to_state, track::tracking_state::settled);
    EXPECT_EQ(history->changes[1].from_status, "pending");
    EXPECT_EQ(history->changes[1].to_status, "completed");
    EXPECT_EQ(history->changes[1].request_id, "req-1");
    ASSERT_EQ(history->deliveries.size(), 2U);
    EXPECT_EQ(history->deliveries[0].event_id, change.event->id);
    EXPECT_EQ(history->deliveries[0].event_type, "transaction.completed");
}

TEST_P(Recording, EveryFactIsKeptAsItIs) {
    world.add({make_new("a")}).value();
    transition change =
        make_change("a", track::tracking_state::not_found, std::string(track::max_status_length, 'x'), 10);
    change.facts.tracked_at = at_ms(1);
    change.facts.overdue_at = at_ms(2);
    change.facts.settled_at = at_ms(3);
    change.facts.not_found_since = at_ms(4);
    change.facts.recheck_until = at_ms(5);
    change.facts.last_polled_at = at_ms(6);
    change.facts.polls = 7'000'000'000;
    change.facts.bad_requests = 8;
    change.facts.verifications_done = 9;
    change.facts.was_overdue = true;
    world.record(change).value();
    EXPECT_EQ(world.find(make_id("a")).facts, change.facts);
    world.reopen();
    EXPECT_EQ(world.find(make_id("a")).facts, change.facts);
    EXPECT_EQ(world.load_active().at(0).facts, change.facts);
    transition bare = make_change("a", track::tracking_state::tracking, "", 20);
    bare.facts.last_polled_at.reset();
    world.record(bare).value();
    EXPECT_EQ(world.find(make_id("a")).facts, bare.facts);
}

TEST_P(Recording, TheHistoryHoldsTheSha256OfTheReply) {
    world.add({make_new("a")}).value();
    transition change = make_change("a", track::tracking_state::tracking, "pending", 1);
    change.reply = "abc";
    world.record(change).value();
    EXPECT_EQ(
        world.history(make_id("a"))->changes.at(1).reply_sha256,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(world.find(make_id("a")).proof, "") << "not a good one";
}

TEST_P(Recording, AGoodReplyIsKeptByteForByteUntilTheNextOne) {
    world.add({make_new("a")}).value();
    transition good = make_change("a", track::tracking_state::tracking, "pending", 1);
    good.reply = "{ \"amount\" : 1.10,\r\n\"note\":\"\xFF\xC3\xA9\" }";
    good.reply_is_good = true;
    world.record(good).value();
    transition bad = make_change("a", track::tracking_state::overdue, "pending", 2);
    bad.reply = "<html>";
    world.record(bad).value();
    transition none = make_change("a", track::tracking_state::tracking, "pending", 3);
    none.reply_is_good = true; // and there is none
    world.record(none).value();
    world.reopen();
    EXPECT_EQ(world.find(make_id("a")).proof, good.reply);
    good.reply = "{}";
    world.record(good).value();
    EXPECT_EQ(world.find(make_id("a")).proof, "{}");
    EXPECT_EQ(world.list({}).transactions.at(0).proof, "{}");
}

TEST_P(Recording, TheEventCarriesTheLastGoodReplyWhenItsCauseIsNone) {
    world.add({make_new("a")}).value();
    transition good = make_change("a", track::tracking_state::tracking, "pending", 1);
    good.reply = R"({"amount":1.10})";
    good.reply_is_good = true;
    good.is_history = false;
    world.record(good).value();
    transition overdue = make_settlement("a", 5, {});
    overdue.facts.state = track::tracking_state::overdue;
    overdue.reply = "<html>";
    overdue.reply_is_good = false;
    const auto recorded = world.record(overdue).value();
    EXPECT_THAT(*recorded.body, HasSubstr(R"("proof":{"amount":1.10}})"));
    EXPECT_EQ(world.history(make_id("a"))->changes.size(), 2U) << "the beginning and overdue";
}

TEST_P(Recording, WithoutAnEventThereIsNoSeqAndNoDelivery) {
    world.add({make_new("a")}).value();
    const auto recorded = world.record(make_change("a", track::tracking_state::overdue, "pending", 1)).value();
    EXPECT_EQ(recorded.seq, std::nullopt);
    EXPECT_EQ(recorded.body, nullptr);
    EXPECT_TRUE(recorded.heads.empty());
    EXPECT_EQ(recorded.revision, row_revision{2});
    EXPECT_TRUE(world.events().events.empty());
}

TEST_P(Recording, SeqHasNoGapsAndTimestampsOfOneTransactionStrictlyIncrease) {
    world.add({make_new("a"), make_new("b")}).value();
    EXPECT_EQ(world.record(make_settlement("a", 100, {})).value().seq, event_seq{1});
    EXPECT_EQ(world.record(make_settlement("b", 100, {})).value().seq, event_seq{2});
    EXPECT_FALSE(world.record_as_is(make_settlement("a", 100, {})).has_value()) << "stale";
    world.reopen();
    const auto recorded = world.record(make_settlement("a", 50, {}, "failed")).value(); // the clock stepped back
    EXPECT_EQ(recorded.seq, event_seq{3});
    EXPECT_THAT(*recorded.body, HasSubstr(R"("timestamp":"2026-04-01T10:00:00.101Z")"));
}

TEST_P(Recording, TheLastEventTimeSurvivesThatItIsTrackedAnew) {
    world.add({make_new("a")}).value();
    transition abandoned = make_settlement("a", 1000, {});
    abandoned.facts = make_change("a", track::tracking_state::abandoned, "pending", 1000).facts;
    world.record(abandoned).value();
    world.add({make_new("a", 10)}).value();
    const auto recorded = world.record(make_settlement("a", 20, {})).value();
    EXPECT_THAT(*recorded.body, HasSubstr(R"("timestamp":"2026-04-01T10:00:01.001Z")"));
}

TEST_P(Recording, ACallbackUrlGetsEverythingButUpdated) {
    track::new_transaction wanted = make_new("a");
    wanted.callback_url = "https://shop.example/hook?secret=1";
    wanted.callback_lane = "https://shop.example:443";
    world.add({wanted}).value();
    transition updated = make_settlement("a", 10, {"named"});
    updated.facts = make_change("a", track::tracking_state::tracking, "completed", 10).facts;
    updated.event->type = track::event_type::updated;
    EXPECT_EQ(world.record(updated).value().heads.size(), 1U);
    const auto recorded = world.record(make_settlement("a", 20, {"backend"})).value();
    ASSERT_EQ(recorded.heads.size(), 2U);
    EXPECT_EQ(recorded.heads[1].lane, "https://shop.example:443");
    expect_records_as_loaded(recorded);
    const delivery_record record = world.load_delivery(value_of(recorded.heads[1].id)).value();
    EXPECT_EQ(record.view.callback, "callback_url");
    EXPECT_EQ(record.url, "https://shop.example/hook?secret=1");
    EXPECT_EQ(record.lane, "https://shop.example:443");
    EXPECT_EQ(record.state, "settled");
    EXPECT_EQ(record.status, "completed");
    EXPECT_EQ(*record.body, *recorded.body);
    EXPECT_EQ(record.view.event_type, "transaction.completed");
    EXPECT_EQ(world.load_delivery(value_of(recorded.heads[0].id))->url, "");
}

TEST_P(Recording, EachWriteRaisesTheRevisionAndSaysSo) {
    EXPECT_EQ(world.add({make_new("a")}).value()[0].revision, row_revision{1});
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{1});
    const transition change = make_change("a", track::tracking_state::tracking, "pending", 1);
    EXPECT_EQ(world.record(change).value().revision, row_revision{2});
    const std::vector<track::active_transaction> rows = world.load_active();
    ASSERT_EQ(rows.size(), 1U);
    EXPECT_EQ(rows[0].revision, row_revision{2});
    world.save_facts(rows);
    world.reopen();
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{3});
    EXPECT_EQ(world.record(make_settlement("a", 2, {})).value().revision, row_revision{4});
    EXPECT_EQ(world.list({}).transactions[0].revision, row_revision{4});
}

TEST_P(Recording, AChangeOfAnotherRevisionIsStaleAndChangesNothing) {
    world.add({make_new("a")}).value();
    world.record(make_change("a", track::tracking_state::abandoned, "pending", 1)).value();
    const add_outcome renewed = world.add({make_new("a", 5)}).value()[0];
    for (const std::uint32_t judged_for : {2U, 4U}) { // the abandoned row, and one that never was
        transition late = make_settlement("a", 10, {"backend"});
        late.revision = row_revision{judged_for};
        const auto refused = world.record_as_is(late);
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code, store_error::stale);
    }
    expect_untouched(3);
    const track::transaction_view kept = world.find(make_id("a"));
    EXPECT_EQ(kept.facts, renewed.facts);
    EXPECT_EQ(kept.revision, row_revision{3});
    EXPECT_EQ(world.load_active().size(), 1U) << "it is still watched";
    EXPECT_TRUE(world.status().lanes.empty());
}

TEST_P(Recording, AnUntrackedTransactionIsNotChangedByALateReply) {
    world.add({make_new("a")}).value();
    world.record(make_change("a", track::tracking_state::untracked, "pending", 10)).value();
    const auto late = world.record_as_is(make_settlement("a", 20, {"backend"})); // judged before it was untracked
    ASSERT_FALSE(late.has_value());
    EXPECT_EQ(late.error().code, store_error::stale);
    EXPECT_EQ(world.find(make_id("a")).facts.state, track::tracking_state::untracked);
    EXPECT_TRUE(world.load_active().empty());
    expect_untouched(2);
}

TEST_P(Recording, AStaleChangeLeavesItsNeighboursAlone) {
    world.add({make_new("a"), make_new("b")}).value();
    std::vector<bool> durable;
    const auto note = [&](const op_result<recorded_transition>& done) { durable.push_back(done.has_value()); };
    transition stale = make_settlement("a", 1, {});
    stale.revision = row_revision{9};
    world.subject().record(stale, note);
    world.subject().record(make_settlement("b", 2, {}), note);
    world.run();
    EXPECT_EQ(durable, (std::vector<bool>{false, true}));
    EXPECT_EQ(world.events().events.size(), 1U);
}

TEST_P(Recording, AnIdThatIsNotThereIsNotFound) {
    const auto unknown = world.record_as_is(make_settlement("a", 20, {"backend"}));
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().code, store_error::not_found);
    EXPECT_FALSE(world.knows(make_id("a")));
    world.add({make_new("a")}).value();
    EXPECT_EQ(world.record(make_settlement("a", 20, {})).value().seq, event_seq{1});
}

TEST_P(Recording, ASecondEventWithTheSameIdFailsAloneAndUsesNoSeq) {
    world.add({make_new("a"), make_new("b"), make_new("c")}).value();
    const transition first = make_settlement("a", 10, {"backend"});
    transition twin = make_settlement("b", 10, {"new-lane"});
    twin.event->id = first.event->id;
    std::optional<op_result<recorded_transition>> failed;
    world.subject().record(first, [](const op_result<recorded_transition>&) {});
    world.subject().record(twin, [&](op_result<recorded_transition> given) { failed.emplace(std::move(given)); });
    const auto third = world.record(make_settlement("c", 10, {"backend"}));
    ASSERT_FALSE(failed->has_value());
    EXPECT_EQ(third.value().seq, event_seq{2});
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(world.find(make_id("b")).facts.state, track::tracking_state::tracking);
        EXPECT_EQ(world.find(make_id("b")).revision, row_revision{1});
        EXPECT_EQ(world.history(make_id("b"))->changes.size(), 1U);
        EXPECT_EQ(world.status().lanes.at("backend").pending, 2U);
        EXPECT_EQ(world.status().lanes.count("new-lane"), 0U);
        EXPECT_EQ(world.events().events.size(), 2U);
        EXPECT_EQ(world.status().transactions.at({track::tracking_state::settled, track::status_kind::completed}), 2U);
        world.reopen();
    }
}

TEST_P(Recording, CountsFollowEveryChange) {
    world.add({make_new("a"), make_new("b"), make_new("c")}).value();
    world.record(make_settlement("a", 10, {})).value();
    world.record(make_change("b", track::tracking_state::overdue, "on_hold", 20)).value();
    for (int round = 0; round < 2; ++round) {
        const auto counts = world.status().transactions;
        EXPECT_EQ(counts.size(), 3U);
        EXPECT_EQ(counts.at({track::tracking_state::settled, track::status_kind::completed}), 1U);
        EXPECT_EQ(counts.at({track::tracking_state::overdue, track::status_kind::other}), 1U);
        EXPECT_EQ(counts.at({track::tracking_state::tracking, track::status_kind::none}), 1U);
        world.reopen();
    }
}

} // namespace
} // namespace prooftrack::store
