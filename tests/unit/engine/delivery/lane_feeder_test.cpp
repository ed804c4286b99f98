#include "engine/delivery/lane_feeder.hpp"

#include <gtest/gtest.h>

#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

const std::string shop = "https://a.shop.example:443";
const std::string other_shop = "https://b.shop.example:443";

struct feeder_bench : delivery_parts {
    failing_callbacks failing{context, host};
    lane_keeper keeper{context, failing, host};
    delivery_attempts attempts{context, host};
    lane_feeder feeder{context, {attempts, failing, keeper, host}};

    /// All attempts of callback_urls that there may be, but for `left`.
    void use_url_attempts(std::size_t left) {
        while (context.url_attempts.used() < most_url_attempts - left) context.url_attempts.take();
    }
};

TEST(LaneFeeder, WhatIsDueIsLoadedAndMade) {
    feeder_bench bench;
    delivery_slot& slot = bench.open();
    bench.owe(slot, "t1");
    bench.owe(slot, "t2");
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.attempts.size(), 2U) << "both are being read";
    bench.memory.pump();
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.sender.attempts().size(), 2U);
    EXPECT_EQ(slot.wake, std::nullopt) << "nothing is left to wait for";
}

TEST(LaneFeeder, WhatIsDueLaterWakesTheLane) {
    feeder_bench bench;
    delivery_slot& slot = bench.open();
    slot.lane.insert({delivery_id{1}, 1, bench.now().wall + 3s, 1}, bench.now().wall);
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.attempts.size(), 0U);
    EXPECT_EQ(bench.context.lanes.next_wake(), bench.now().steady + 3s);
}

TEST(LaneFeeder, AFailingLaneIsWokenToBeLogged) {
    feeder_bench bench;
    delivery_slot& slot = bench.open();
    bench.break_lane(slot);
    slot.next_failing_log = bench.now().steady + 1h;
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(slot.wake, bench.now().steady + 1h);
}

TEST(LaneFeeder, AFullOrStoppedSideStartsNothing) {
    feeder_bench full;
    delivery_slot& held = full.open();
    full.owe(held, "t1");
    full.context.pressure.refuse(full.now().steady);
    full.feeder.feed(held, full.now());
    EXPECT_EQ(full.attempts.size(), 0U);
    EXPECT_EQ(held.wake, std::nullopt);
    ASSERT_TRUE(full.context.pressure.relieve());
    full.feeder.arm_all(full.now());
    EXPECT_EQ(held.wake, full.now().steady);

    feeder_bench stopped;
    delivery_slot& slot = stopped.open("backend", track::stored_heads::possible);
    stopped.owe(slot, "t1");
    stopped.context.stop.begin(stopped.now().steady, [] {});
    stopped.feeder.feed(slot, stopped.now());
    EXPECT_EQ(stopped.attempts.size(), 0U);
    EXPECT_EQ(stopped.memory.waiting(), 0U) << "nothing is read either";
}

TEST(LaneFeeder, WhatIsMissingInMemoryIsReadFromTheStore) {
    feeder_bench bench;
    delivery_slot& slot = bench.open("backend", track::stored_heads::possible);
    bench.record("t1");
    bench.record("t2");
    bench.feeder.feed(slot, bench.now());
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.memory.waiting(), 1U) << "asked once";
    bench.memory.commit();
    bench.memory.answer_one();
    EXPECT_EQ(bench.attempts.size(), 2U);
    EXPECT_EQ(slot.refill, delivery_slot::refill_state::idle);
    EXPECT_EQ(bench.host.entered, 0);
}

TEST(LaneFeeder, AReadThatFailsIsRepeatedOnlyWhenThatIsAllowed) {
    feeder_bench bench;
    delivery_slot& slot = bench.open("backend", track::stored_heads::possible);
    bench.memory.fail_operation(1, store::store_error::busy);
    bench.feeder.feed(slot, bench.now());
    bench.memory.pump();
    EXPECT_EQ(slot.refill, delivery_slot::refill_state::refused);
    EXPECT_EQ(bench.host.reported.size(), 1U) << "the host hears of the error";
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.memory.waiting(), 0U);
    bench.feeder.allow_refills();
    bench.feeder.feed(slot, bench.now());
    EXPECT_EQ(bench.memory.waiting(), 1U);
}

TEST(LaneFeeder, LanesOfCallbackUrlsWaitForRoomAmongTheirAttempts) {
    feeder_bench bench;
    delivery_slot& first = bench.open(shop);
    delivery_slot& second = bench.open(other_shop);
    delivery_slot& own = bench.open();
    bench.owe(first, "t1");
    bench.owe(second, "t2");
    bench.owe(own, "t3");
    bench.use_url_attempts(0);
    bench.feeder.feed_all(bench.now());
    EXPECT_EQ(bench.attempts.size(), 1U) << "the configured callback's";
    EXPECT_TRUE(bench.context.url_attempts.waits(first.number));
    EXPECT_EQ(first.wake, std::nullopt) << "time alone changes nothing";
    bench.feeder.feed_waiting(bench.now());
    EXPECT_EQ(bench.attempts.size(), 1U);
    bench.context.url_attempts.give_back();
    bench.feeder.feed_waiting(bench.now());
    EXPECT_EQ(bench.attempts.size(), 2U);
    EXPECT_TRUE(first.lane.any_busy());
    EXPECT_TRUE(bench.context.url_attempts.waits(second.number)) << "it keeps its turn";
}

TEST(LaneFeeder, AnIdleLaneOfACallbackUrlGoes) {
    feeder_bench bench;
    bench.open(shop);
    bench.open();
    bench.feeder.feed_all(bench.now());
    EXPECT_EQ(bench.context.lanes.size(), 1U);
}

} // namespace
} // namespace prooftrack::engine
