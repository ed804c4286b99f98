#include "engine/delivery/lane_keeper.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

#include "support/delivery_parts.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

std::string url_lane(std::size_t number) { return "https://h" + std::to_string(number) + ".shop.example:443"; }

struct keeper_bench : delivery_parts {
    failing_callbacks failing{context, host};
    lane_keeper keeper{context, failing, host};

    void fill() {
        for (std::size_t i = 0; i < most_url_lanes; ++i) keeper.open(url_lane(i), track::stored_heads::possible);
    }
};

TEST(LaneKeeper, ALaneIsOpenedOnceWithTheSettingsOfItsCallback) {
    keeper_bench bench;
    delivery_slot* const slot = bench.keeper.find_or_open("backend");
    ASSERT_NE(slot, nullptr);
    EXPECT_TRUE(slot->lane.configured());
    EXPECT_FALSE(slot->lane.wants_refill()) << "the store has nothing of a lane that was not there";
    EXPECT_EQ(bench.keeper.find_or_open("backend"), slot);
    EXPECT_FALSE(bench.keeper.find_or_open("gone")->lane.configured());
    EXPECT_THROW(bench.keeper.open("backend", track::stored_heads::none), std::logic_error);
}

TEST(LaneKeeper, ALaneOfACallbackUrlLivesWhileSomethingIsPending) {
    keeper_bench bench;
    delivery_slot& slot = *bench.keeper.find_or_open(url_lane(1));
    bench.owe(slot, "t1");
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U);
    slot.lane.take(bench.now());
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U);
    slot.lane.forget(delivery_id{1});
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 0U);
}

TEST(LaneKeeper, AConfiguredCallbackKeepsItsLane) {
    keeper_bench bench;
    bench.keeper.retire_if_idle(*bench.keeper.open("backend", track::stored_heads::none));
    EXPECT_EQ(bench.context.lanes.size(), 1U);
}

TEST(LaneKeeper, WhatIsUnderWayForALaneKeepsIt) {
    keeper_bench bench;
    delivery_slot& slot = *bench.keeper.open(url_lane(1), track::stored_heads::none);
    slot.refill = delivery_slot::refill_state::asked;
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U) << "a read";
    slot.refill = delivery_slot::refill_state::idle;
    slot.mark.begin();
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U) << "a write";
    slot.mark.end(track::mark_result::refused);
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U) << "a write that is owed";
    slot.mark.begin();
    slot.mark.end(track::mark_result::saved);
    bench.context.url_attempts.wait(slot.number);
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U) << "its place among those that wait for room";
    EXPECT_EQ(bench.context.url_attempts.next(), slot.number);
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 0U);
}

TEST(LaneKeeper, AFailingHostIsRememberedForAWhile) {
    keeper_bench bench;
    delivery_slot& slot = *bench.keeper.open(url_lane(1), track::stored_heads::none);
    bench.break_lane(slot);
    slot.next_failing_log = bench.now().steady + failing_log_interval;
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 1U);
    bench.run(failing_log_interval);
    bench.keeper.retire_if_idle(slot);
    EXPECT_EQ(bench.context.lanes.size(), 0U);
}

TEST(LaneKeeper, WhoFindsNoPlaceIsLookedForWhenALaneRetires) {
    keeper_bench bench;
    bench.fill();
    EXPECT_EQ(bench.keeper.find_or_open(url_lane(most_url_lanes)), nullptr);
    EXPECT_NE(bench.keeper.find_or_open("backend"), nullptr) << "configured ones are not bounded";
    delivery_slot& first = *bench.context.lanes.find(url_lane(0));
    first.lane.refill({}, first.lane.refill_size(), bench.now().wall);
    bench.keeper.retire_if_idle(first);
    EXPECT_TRUE(bench.host.was_reported("lane retired"));
    delivery_slot* const next = bench.keeper.find_or_open(url_lane(most_url_lanes));
    ASSERT_NE(next, nullptr);
}

TEST(LaneKeeper, ALaneThatWasLeftOutHasOlderDeliveriesInTheStore) {
    keeper_bench bench;
    bench.fill();
    ASSERT_EQ(bench.keeper.find_or_open(url_lane(most_url_lanes)), nullptr);
    bench.context.lanes.erase(*bench.context.lanes.find(url_lane(0)));
    EXPECT_TRUE(bench.keeper.find_or_open(url_lane(most_url_lanes))->lane.wants_refill());
}

TEST(LaneKeeper, AFailingHostWithNothingPendingMakesPlace) {
    keeper_bench bench;
    delivery_slot& idle = *bench.keeper.open(url_lane(most_url_lanes), track::stored_heads::none);
    bench.break_lane(idle);
    idle.next_failing_log = bench.now().steady + failing_log_interval;
    for (std::size_t i = 1; i < most_url_lanes; ++i) bench.keeper.open(url_lane(i), track::stored_heads::possible);
    ASSERT_FALSE(bench.context.lanes.has_url_room());
    EXPECT_NE(bench.keeper.find_or_open(url_lane(0)), nullptr);
    EXPECT_EQ(bench.context.lanes.find(url_lane(most_url_lanes)), nullptr);
}

TEST(LaneKeeper, WhereOthersHoldShardsALaneThatRetiresIsKnownToBeEmpty) {
    keeper_bench bench;
    const auto use = [&bench](std::size_t number) {
        bench.keeper.retire_if_idle(*bench.keeper.find_or_open(url_lane(number)));
    };
    use(0);
    EXPECT_FALSE(bench.keeper.is_known_empty(url_lane(0))) << "one node is told of everything";
    bench.context.shards.reset(1);
    use(0);
    EXPECT_TRUE(bench.keeper.is_known_empty(url_lane(0)));
    ASSERT_NE(bench.keeper.find_or_open(url_lane(0)), nullptr);
    EXPECT_FALSE(bench.keeper.is_known_empty(url_lane(0)));
    for (std::size_t i = 0; i < most_empty_lanes; ++i) use(i);
    EXPECT_TRUE(bench.keeper.is_known_empty(url_lane(0)));
    use(most_empty_lanes);
    EXPECT_FALSE(bench.keeper.is_known_empty(url_lane(0))) << "no more than so many are remembered";
    EXPECT_TRUE(bench.keeper.is_known_empty(url_lane(most_empty_lanes)));
    bench.keeper.forget_empty();
    EXPECT_FALSE(bench.keeper.is_known_empty(url_lane(most_empty_lanes)));
}

TEST(LaneKeeper, ALaneThatFoundNoRoomIsNotKnownToBeEmpty) {
    keeper_bench bench;
    bench.context.shards.reset(1);
    const std::string late = url_lane(most_url_lanes);
    bench.keeper.retire_if_idle(*bench.keeper.find_or_open(late));
    bench.fill();
    ASSERT_EQ(bench.keeper.find_or_open(late), nullptr);
    EXPECT_FALSE(bench.keeper.is_known_empty(late)) << "its delivery is in the store";
}

TEST(LaneKeeper, WhileTheStoreHasNotSaidWhichLanesThereAreALaneIsReadFirst) {
    keeper_bench bench;
    bench.keeper.expect_more(true);
    EXPECT_TRUE(bench.keeper.find_or_open(url_lane(1))->lane.wants_refill());
    bench.keeper.expect_more(false);
    EXPECT_FALSE(bench.keeper.find_or_open(url_lane(2))->lane.wants_refill());
}

} // namespace
} // namespace prooftrack::engine
