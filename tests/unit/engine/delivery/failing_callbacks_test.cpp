#include "engine/delivery/failing_callbacks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using change = track::delivery_health::change;
using testing::Contains;
using testing::ElementsAre;

struct failing_bench : delivery_parts {
    failing_callbacks failing{context, host};
    delivery_slot& slot = open();

    void turn_failing() {
        break_lane(slot);
        failing.on_health(slot, change::turned_failing, now());
    }
    void recover() {
        slot.lane.health().on_success();
        failing.on_health(slot, change::recovered, now());
    }
    /// An attempt that failed just now; the next one is due in 5 s.
    void fail(delivery_id id) {
        disk.record_attempt({id, now().wall, 1, track::delivery_state::pending, 500, "500", now().wall + 5s});
    }
    std::optional<wall_time> stored() { return disk.lanes["backend"].failing_since; }
};

TEST(FailingCallbacks, AChangeOfHealthIsLoggedAndRemembered) {
    failing_bench bench;
    bench.turn_failing();
    bench.memory.pump();
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_failing), 1U);
    EXPECT_EQ(bench.stored(), bench.slot.failing_from);
    bench.recover();
    bench.memory.pump();
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_recovered), 1U);
    EXPECT_EQ(bench.stored(), std::nullopt);
    EXPECT_EQ(bench.host.entered, 0);
}

TEST(FailingCallbacks, NoChangeIsNoNews) {
    failing_bench bench;
    bench.failing.on_health(bench.slot, change::none, bench.now());
    EXPECT_EQ(bench.memory.waiting(), 0U);
    EXPECT_TRUE(bench.log.lines().empty());
}

TEST(FailingCallbacks, AChangeDuringAWriteIsWrittenAfterIt) {
    failing_bench bench;
    bench.turn_failing();
    bench.recover();
    EXPECT_EQ(bench.memory.waiting(), 1U) << "one write at a time";
    bench.memory.pump();
    EXPECT_EQ(bench.stored(), std::nullopt);
}

TEST(FailingCallbacks, WhatIsRefusedIsWrittenWhenThereIsSpace) {
    failing_bench bench;
    bench.memory.set_full(true);
    bench.turn_failing();
    bench.memory.pump();
    EXPECT_THAT(bench.host.reported, Contains("full"));
    EXPECT_EQ(bench.stored(), std::nullopt);
    bench.memory.set_full(false);
    bench.failing.save_refused();
    bench.memory.pump();
    EXPECT_EQ(bench.stored(), bench.slot.failing_from);
    bench.failing.save_refused();
    EXPECT_EQ(bench.memory.waiting(), 0U);
}

TEST(FailingCallbacks, AStopKeepsNothingForLater) {
    failing_bench bench;
    bench.memory.set_full(true);
    bench.turn_failing();
    bench.context.stop.begin(bench.now().steady, [] {});
    bench.memory.pump();
    EXPECT_FALSE(bench.host.was_reported("full"));
    EXPECT_FALSE(bench.slot.mark.is_unsaved());
}

TEST(FailingCallbacks, ARecoveryThatFreesSomethingFeedsTheLane) {
    failing_bench bench;
    const delivery_id id = bench.owe(bench.slot, "t1");
    bench.turn_failing();
    bench.memory.pump();
    bench.fail(id);
    bench.host.reported.clear();
    bench.recover();
    bench.memory.pump();
    EXPECT_THAT(bench.host.reported, ElementsAre("feed backend"));
    EXPECT_TRUE(bench.slot.lane.wants_refill()) << "the store has new times";
    EXPECT_EQ(bench.row(id).attempts, 0U);
    EXPECT_EQ(bench.row(id).next_attempt_at, bench.now().wall);
}

TEST(FailingCallbacks, ARecoveryThatFindsAFullStoreHalfWayIsLookedAtAndRepeated) {
    failing_bench bench;
    const delivery_id first = bench.owe(bench.slot, "t1");
    const delivery_id second = bench.owe(bench.slot, "t2");
    bench.turn_failing();
    bench.memory.pump();
    for (const delivery_id id : {first, second}) bench.fail(id);
    bench.recover();
    bench.memory.fail_operation(2, store::store_error::full);
    bench.memory.pump();
    EXPECT_EQ(bench.row(first).attempts, 0U);
    EXPECT_EQ(bench.row(second).attempts, 1U);
    EXPECT_TRUE(bench.slot.lane.wants_refill()) << "a part of it has new times";
    EXPECT_TRUE(bench.slot.mark.is_unsaved());
    bench.failing.save_refused();
    bench.memory.pump();
    EXPECT_EQ(bench.row(second).attempts, 0U);
    EXPECT_EQ(bench.stored(), std::nullopt);
}

TEST(FailingCallbacks, TheLastRunIsGoneOnWithAndAWholeIntervalIsWaited) {
    failing_bench bench;
    store::lane_summary summary;
    summary.failing_since = bench.now().wall - 1h;
    bench.failing.take_over(bench.slot, summary, bench.now());
    EXPECT_TRUE(bench.slot.lane.health().failing());
    EXPECT_EQ(bench.slot.lane.health().next_try(), bench.now().steady + track::failing_probe_interval);
    EXPECT_EQ(bench.slot.failing_from, bench.now().wall - 1h);
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_failing), 1U);
    bench.slot.lane.health().on_success();
    bench.failing.take_over(bench.slot, summary, bench.now());
    EXPECT_FALSE(bench.slot.lane.health().failing()) << "it knows better by now";
}

TEST(FailingCallbacks, ItIsLoggedHourlyWhileItLasts) {
    failing_bench bench;
    bench.turn_failing();
    EXPECT_EQ(bench.failing.next_log(bench.slot), bench.now().steady + failing_log_interval);
    bench.failing.log_if_due(bench.slot, bench.now());
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_failing), 1U);
    bench.run(1h);
    bench.failing.log_if_due(bench.slot, bench.now());
    bench.failing.log_if_due(bench.slot, bench.now());
    EXPECT_EQ(bench.log.count(observe::log_event_id::callback_failing), 2U);
    bench.recover();
    EXPECT_EQ(bench.failing.next_log(bench.slot), std::nullopt);
}

TEST(FailingCallbacks, AHostThatIsDroppedIsForgottenByTheStore) {
    failing_bench bench;
    bench.turn_failing();
    bench.memory.pump();
    EXPECT_TRUE(bench.failing.is_remembered(bench.slot, bench.now().steady));
    EXPECT_FALSE(bench.failing.is_remembered(bench.slot, bench.now().steady + failing_log_interval));
    bench.failing.forget(bench.slot);
    bench.memory.pump();
    EXPECT_EQ(bench.stored(), std::nullopt);
}

} // namespace
} // namespace prooftrack::engine
