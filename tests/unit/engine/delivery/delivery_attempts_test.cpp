#include "engine/delivery/delivery_attempts.hpp"

#include <stdexcept>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;

const std::string shop = "https://a.shop.example:443";

struct attempts_bench : delivery_parts {
    delivery_attempts attempts{context, host};
    delivery_slot& slot = open();

    /// Takes the next delivery and asks for its bytes.
    delivery_id load(delivery_slot& from) {
        const auto head = from.lane.take(now());
        expects(head.has_value(), "nothing may go");
        attempts.load(from, *head, now());
        return head->id;
    }
    delivery_id load() { return load(slot); }
    /// An attempt that the receiver answers 5 ms later.
    delivery_id begin(const std::string& transaction) {
        owe(slot, transaction);
        const delivery_id id = load();
        memory.pump();
        attempts.begin_ready(slot, now());
        return id;
    }
};

TEST(DeliveryAttempts, OneIsLoadedMadeAndRecorded) {
    attempts_bench bench;
    const delivery_id id = bench.begin("t1");
    EXPECT_EQ(bench.slot.lane.phase_of(id), track::delivery_phase::attempting);
    ASSERT_EQ(bench.sender.attempts().size(), 1U);
    EXPECT_EQ(bench.sender.attempts()[0].job.attempt, 1U);
    bench.run(5ms);
    EXPECT_EQ(bench.slot.lane.phase_of(id), track::delivery_phase::recording);
    EXPECT_TRUE(bench.attempts.any_recording());
    bench.memory.pump();
    EXPECT_EQ(bench.row(id).state, track::delivery_state::delivered);
    EXPECT_EQ(bench.attempts.size(), 0U);
    EXPECT_FALSE(bench.slot.lane.any_busy());
    EXPECT_THAT(bench.host.reported, ElementsAre("feed backend", "feed backend", "feed backend", "settled"));
    EXPECT_EQ(bench.host.entered, 0);
    EXPECT_EQ((bench.metrics.counts[{"backend", "delivered"}]), 1);
}

TEST(DeliveryAttempts, AFreshOneNeedsNoRead) {
    attempts_bench bench;
    const store::recorded_transition recorded = bench.record("t1");
    bench.context.fresh.keep(recorded.records.at(0));
    bench.slot.lane.insert(lane_head_of(recorded.heads.at(0)), bench.now().wall);
    const delivery_id id = bench.load();
    EXPECT_EQ(bench.slot.lane.phase_of(id), track::delivery_phase::ready);
    EXPECT_EQ(bench.memory.waiting(), 0U);
}

TEST(DeliveryAttempts, AFailureWaitsForItsNextAttemptOnceItIsDurable) {
    attempts_bench bench;
    bench.sender.answer_with([](const callback::delivery_job&) { return reply_failed(); });
    const delivery_id id = bench.begin("t1");
    bench.run(5ms);
    EXPECT_EQ(bench.slot.lane.due_of(id), std::nullopt);
    bench.memory.pump();
    EXPECT_EQ(bench.row(id).attempts, 1U);
    EXPECT_EQ(bench.slot.lane.due_of(id), bench.row(id).next_attempt_at);
    EXPECT_EQ(bench.slot.last_error, "500");
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_failed), 1U);
}

TEST(DeliveryAttempts, TheEventThatWaitedBehindAnEndedOneBecomesAHead) {
    attempts_bench bench;
    const delivery_id first = bench.begin("t1");
    const store::recorded_transition behind = bench.record("t1");
    ASSERT_TRUE(behind.heads.empty());
    bench.run(5ms);
    bench.memory.pump();
    EXPECT_EQ(bench.row(first).state, track::delivery_state::delivered);
    EXPECT_EQ(bench.slot.lane.waiting(), 1U);
}

TEST(DeliveryAttempts, OneThatHasEndedMeanwhileIsNotMade) {
    attempts_bench bench;
    const delivery_id id = bench.owe(bench.slot, "t1");
    bench.load();
    bench.disk.rows.at(value_of(id)).view.state = track::delivery_state::dead;
    bench.memory.pump();
    EXPECT_EQ(bench.attempts.size(), 0U);
    EXPECT_FALSE(bench.slot.lane.first_ready());
    EXPECT_EQ(bench.slot.lane.due_of(id), std::nullopt);
}

TEST(DeliveryAttempts, AReadThatFailsIsTriedAgainALittleLater) {
    attempts_bench bench;
    const delivery_id id = bench.owe(bench.slot, "t1");
    bench.load();
    bench.memory.fail_operation(1, store::store_error::busy);
    bench.memory.pump();
    EXPECT_THAT(bench.host.reported, Contains("feed backend"));
    EXPECT_EQ(bench.host.reported.at(0).substr(0, 5), "error");
    EXPECT_EQ(bench.slot.lane.due_of(id), bench.now().wall + track::store_retry_interval);
    EXPECT_EQ(bench.attempts.size(), 0U);
}

TEST(DeliveryAttempts, AnOutcomeThatFindsAFullStoreIsKeptUntilThereIsSpace) {
    attempts_bench bench;
    const delivery_id id = bench.begin("t1");
    bench.memory.set_full(true);
    bench.run(5ms);
    bench.memory.pump();
    EXPECT_TRUE(bench.host.was_reported("full"));
    EXPECT_TRUE(bench.attempts.any_unrecorded());
    EXPECT_FALSE(bench.attempts.any_recording());
    bench.memory.set_full(false);
    bench.context.pressure.refuse(bench.now().steady);
    bench.attempts.record_oldest();
    EXPECT_FALSE(bench.attempts.any_unrecorded());
    bench.memory.pump();
    EXPECT_TRUE(bench.host.was_reported("writable")) << "the first that is written says so";
    EXPECT_EQ(bench.row(id).state, track::delivery_state::delivered);
    EXPECT_THROW(bench.attempts.record_oldest(), std::logic_error);
}

TEST(DeliveryAttempts, NothingBeginsWhileTheStoreIsFull) {
    attempts_bench bench;
    bench.owe(bench.slot, "t1");
    bench.load();
    bench.memory.pump();
    bench.context.pressure.refuse(bench.now().steady);
    bench.attempts.begin_ready(bench.slot, bench.now());
    EXPECT_TRUE(bench.sender.attempts().empty());
    EXPECT_TRUE(bench.slot.lane.first_ready());
}

TEST(DeliveryAttempts, WhatIsReadyWhenItsCallbackGoesIsPutBack) {
    attempts_bench bench;
    const delivery_id id = bench.owe(bench.slot, "t1");
    bench.load();
    bench.memory.pump();
    bench.break_lane(bench.slot);
    bench.attempts.begin_ready(bench.slot, bench.now());
    EXPECT_TRUE(bench.sender.attempts().empty());
    EXPECT_EQ(bench.attempts.size(), 0U);
    EXPECT_EQ(bench.slot.lane.due_of(id), bench.now().wall);
}

TEST(DeliveryAttempts, ACutOffOrUnrecordableOutcomeUsesNothing) {
    attempts_bench stopping;
    stopping.sender.answer_with([](const callback::delivery_job&) { return reply_failed(0, 20ms); });
    const delivery_id cut = stopping.begin("t1");
    stopping.context.stop.begin(stopping.now().steady + 10ms, [] {});
    stopping.run(20ms);
    EXPECT_EQ(stopping.attempts.size(), 0U);
    EXPECT_FALSE(stopping.attempts.any_recording());
    EXPECT_EQ(stopping.row(cut).attempts, 0U);

    attempts_bench halted;
    const delivery_id lost = halted.begin("t1");
    halted.context.pressure.halt();
    halted.run(5ms);
    EXPECT_EQ(halted.attempts.size(), 0U);
    EXPECT_EQ(halted.row(lost).state, track::delivery_state::pending);
}

TEST(DeliveryAttempts, AStopGivesBackWhatIsReady) {
    attempts_bench bench;
    bench.owe(bench.slot, "t1");
    bench.owe(bench.slot, "t2");
    bench.load();
    bench.memory.pump();
    bench.load(); // on its way from the store
    bench.attempts.abandon_ready(bench.slot);
    EXPECT_EQ(bench.attempts.size(), 1U);
    EXPECT_FALSE(bench.slot.lane.first_ready());
}

TEST(DeliveryAttempts, WhatIsOfAReplayIsLoadedAgainUnlessItHasBegun) {
    attempts_bench bench;
    const auto owe_replayed = [&bench](const std::string& transaction) {
        store::delivery_head head = bench.record(transaction).heads.at(0);
        head.is_replay = true;
        bench.slot.lane.insert(lane_head_of(head), bench.now().wall);
    };
    owe_replayed("t1");
    const delivery_id begun = bench.load();
    bench.memory.pump();
    bench.attempts.begin_ready(bench.slot, bench.now());
    const delivery_id recorded = bench.owe(bench.slot, "t2");
    bench.load();
    owe_replayed("t3");
    const delivery_id ready = bench.load();
    bench.memory.pump();
    owe_replayed("t4");
    const delivery_id loading = bench.load();
    bench.attempts.put_back_replayed(bench.now());
    EXPECT_THAT(bench.attempts.begun(), ElementsAre(begun));
    EXPECT_EQ(bench.slot.lane.due_of(ready), bench.row(ready).next_attempt_at);
    EXPECT_EQ(bench.slot.lane.phase_of(loading), track::delivery_phase::loading);
    bench.memory.pump();
    EXPECT_EQ(bench.slot.lane.due_of(loading), bench.row(loading).next_attempt_at) << "what it brought is of before";
    EXPECT_EQ(bench.slot.lane.first_ready(), recorded);
    EXPECT_EQ(bench.sender.attempts().size(), 1U);
    bench.run(5ms);
    EXPECT_THAT(bench.attempts.begun(), ElementsAre(begun)) << "its outcome is on its way";
}

TEST(DeliveryAttempts, ThoseOfCallbackUrlsCountUntilTheyHaveEnded) {
    attempts_bench bench;
    delivery_slot& url = bench.open(shop);
    bench.owe(url, "t1");
    bench.load(url);
    EXPECT_EQ(bench.context.url_attempts.used(), 1U);
    bench.memory.pump();
    bench.attempts.begin_ready(url, bench.now());
    EXPECT_EQ(bench.context.url_attempts.used(), 1U);
    bench.run(5ms);
    EXPECT_EQ(bench.context.url_attempts.used(), 0U) << "its recording counts no more";
    bench.memory.pump();
    EXPECT_EQ(bench.context.url_attempts.used(), 0U);
    bench.owe(url, "t2");
    bench.load(url);
    bench.memory.pump();
    bench.attempts.abandon_ready(url);
    EXPECT_EQ(bench.context.url_attempts.used(), 0U);
}

TEST(DeliveryAttempts, ARetryByHandRecordsAnOutcomeThatWaitedForSpaceFirst) {
    attempts_bench bench;
    bench.sender.answer_with([](const callback::delivery_job&) { return reply_failed(); });
    const delivery_id id = bench.begin("t1");
    bench.memory.set_full(true);
    bench.run(5ms);
    bench.memory.pump();
    ASSERT_TRUE(bench.attempts.any_unrecorded());
    bench.attempts.prepare_retry(id);
    EXPECT_TRUE(bench.attempts.any_recording());
    bench.memory.pump(); // refused once more
    ASSERT_TRUE(bench.attempts.any_unrecorded());
    bench.attempts.drop_unrecorded(id, bench.now());
    EXPECT_FALSE(bench.attempts.any_unrecorded());
    EXPECT_EQ(bench.attempts.size(), 0U) << "the retry is durable, the old outcome means nothing any more";
}

TEST(DeliveryAttempts, TheHostIsNotifiedOfAChangedHealth) {
    attempts_bench bench;
    bench.break_lane(bench.slot);
    bench.run(track::failing_probe_interval);
    bench.begin("t1");
    bench.run(5ms);
    EXPECT_TRUE(bench.host.was_reported("recovered backend"));
}

} // namespace
} // namespace prooftrack::engine
