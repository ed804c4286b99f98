// Deliveries of shards that are let go and taken up while others are in flight.

#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const std::string shop = "https://a.shop.example:443";
const std::string other_shop = "https://b.shop.example:443";

/// Ids that differ in their last character alone are of different shards.
shard_set shards_of(std::initializer_list<const char*> ids) {
    shard_set shards;
    for (const char* id : ids) shards.set(fake_disk::hash_of(id) & 255U);
    return shards;
}

/// Its store gives out what is of other shards too, as an answer does that was on its way when they were let go.
struct sharded_world : delivery_world {
    sharded_world() {
        callback("backend").max_in_flight = 8;
        rules = {{"*.shop.example"}, ""};
        boot();
    }
    /// What the store holds of these when the process starts; nothing has been attempted.
    void owe(std::initializer_list<const char*> ids, const std::string& lane = "") {
        driver->set_held(true);
        for (const char* id : ids) {
            if (!lane.empty()) track(id, lane, lane + "/hook");
            emit(id);
        }
        run(100ms);
        crash();
        boot(false);
    }
    void start() { driver->start(disk.status()); }
    void one_at_a_time(steady_duration each) {
        callbacks[0].max_in_flight = 1;
        reload();
        run(10ms);
        receiver = [each](const callback::delivery_job&) { return reply_delivered(each); };
    }
};

TEST(DeliveryShards, WhatWaitsOfShardsThatAreLetGoIsNotBegun) {
    sharded_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit("t1");
    world.emit("t2");
    world.run(1s);
    ASSERT_THAT(world.attempted(), UnorderedElementsAre("t1/1", "t2/1"));
    world.sender->forget_attempts();
    world.driver->let_go(shards_of({"t1"}));
    world.receiver = nullptr;
    world.run(48h);
    EXPECT_THAT(world.attempted(), ElementsAre("t2/2"));
}

TEST(DeliveryShards, AReadThatWasOnItsWayBringsNothingBack) {
    sharded_world world;
    world.owe({"t1", "t2", "t3"});
    world.start();
    world.driver->let_go(shards_of({"t1", "t3"}));
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t2/1"));
}

TEST(DeliveryShards, ALoadThatWasOnItsWayIsForgotten) {
    sharded_world world;
    world.owe({"t1", "t2"});
    world.start();
    world.run(3ms);
    ASSERT_EQ(world.driver->in_flight(), 2U) << "both are being read";
    EXPECT_EQ(world.driver->busy_in(all_shards()), 0U) << "neither has begun";
    world.driver->let_go(shards_of({"t1"}));
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t2/1"));
    EXPECT_EQ(world.driver->in_flight(), 0U);
}

TEST(DeliveryShards, ALoadOfAShardThatIsTakenUpAgainIsRepeated) {
    sharded_world world;
    world.owe({"t1"});
    world.start();
    world.memory->delay_answers(0s);
    world.run(2ms);
    world.memory->delay_answers(1s);
    world.run(3ms); // it was read as it is
    world.driver->let_go(shards_of({"t1"}));
    world.disk.rows.at(1).view.attempts = 2; // by the node that has it meanwhile
    world.driver->taken_up(shards_of({"t1"}));
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/3"));
}

TEST(DeliveryShards, WhatWaitsForItsTurnIsForgotten) {
    sharded_world world;
    world.one_at_a_time(2s);
    for (const char* id : {"t1", "t2", "t3"}) world.emit(id);
    world.run(1s);
    ASSERT_EQ(world.driver->in_flight(), 3U) << "two are loaded";
    EXPECT_EQ(world.driver->busy_in(all_shards()), 1U);
    world.driver->let_go(shards_of({"t2"}));
    EXPECT_EQ(world.driver->in_flight(), 2U);
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t3/1"));
}

TEST(DeliveryShards, AnAttemptInFlightIsRecordedAndItsSuccessorIsNotBegun) {
    sharded_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(2s); };
    world.emit("t1");
    world.emit("t1");
    world.run(1s);
    const shard_set its = shards_of({"t1"});
    world.driver->let_go(its);
    EXPECT_EQ(world.driver->busy_in(its), 1U);
    EXPECT_EQ(world.driver->busy_in(~its), 0U);
    world.run(1h);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_TRUE(world.row(2).is_head);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world.driver->busy_in(its), 0U);
    world.driver->taken_up(its);
    world.run(10s);
    EXPECT_EQ(world.row(2).view.state, track::delivery_state::delivered);
}

TEST(DeliveryShards, ASuccessorOnAnotherLaneIsNotBegunEither) {
    sharded_world world;
    world.callbacks[0].events = {"transaction.overdue"};
    world.reload();
    world.run(10ms);
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(2s); };
    world.track("t1", shop, shop + "/hook");
    world.emit("t1");
    world.run(1s);
    world.disk.transactions.at("t1").callback_lane = other_shop;
    world.disk.transactions.at("t1").callback_url = other_shop + "/hook";
    world.emit("t1");
    world.run(500ms);
    world.driver->let_go(shards_of({"t1"}));
    world.run(1h);
    EXPECT_TRUE(world.row(2).is_head);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    EXPECT_EQ(world.driver->lanes(), 1U) << "none is opened for it";
}

TEST(DeliveryShards, AFailedAttemptIsRecordedAndNotRepeated) {
    sharded_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 2s); };
    world.emit("t1");
    world.run(1s);
    world.driver->let_go(shards_of({"t1"}));
    world.run(48h);
    EXPECT_EQ(world.row(1).view.attempts, 1U);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryShards, AnAttemptThatWasLetGoDoesNotSayWhenTheNextOneIsOnceItIsHeldAgain) {
    sharded_world world;
    world.callbacks[0].retry_schedule.assign(10, 10min);
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 10s); };
    world.emit("t1");
    world.run(1s);
    world.driver->let_go(shards_of({"t1"}));
    world.disk.rows.at(1).view.attempts = 7; // by the node that had it meanwhile
    world.disk.rows.at(1).view.last_attempt_at = world.clock.now().wall;
    world.disk.make_head(world.disk.rows.at(1), world.clock.now().wall + 20s);
    world.driver->taken_up(shards_of({"t1"}));
    world.run(25s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/8"));
}

TEST(DeliveryShards, AnOutcomeThatTheStoreRefusesIsBusyUntilItIsRecorded) {
    sharded_world world;
    world.emit("t1");
    world.run(3ms);
    world.memory->set_full(true);
    world.run(10s);
    world.driver->let_go(shards_of({"t1"}));
    EXPECT_EQ(world.driver->busy_in(shards_of({"t1"})), 1U);
    world.memory->set_full(false);
    world.run(10s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.driver->busy_in(shards_of({"t1"})), 0U);
}

TEST(DeliveryShards, AnEventThatWasBeingRecordedBeginsNothing) {
    sharded_world world;
    world.emit("t1");
    world.emit("t2");
    world.driver->let_go(shards_of({"t1"}));
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t2/1"));
    EXPECT_EQ(world.driver->fresh_bytes(), 0U);
}

TEST(DeliveryShards, BytesOfNewDeliveriesAreNotKeptForShardsThatWent) {
    sharded_world world;
    world.driver->set_held(true);
    world.emit("t1");
    world.run(1s);
    ASSERT_GT(world.driver->fresh_bytes(), 0U);
    world.driver->let_go(shards_of({"t1"}));
    EXPECT_EQ(world.driver->fresh_bytes(), 0U);
}

TEST(DeliveryShards, ARetryHereOfAnotherNodesDeliveryIsLeftToIt) {
    sharded_world world;
    world.emit("t1");
    world.run(1s);
    world.driver->let_go(shards_of({"t1"}));
    bool is_done = false;
    world.driver->retry_delivery(
        delivery_id{1}, [&](const op_result<std::monostate>& done) { is_done = done.has_value(); });
    world.run(1h);
    EXPECT_TRUE(is_done);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::pending);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryShards, WithoutAShardNothingBeginsUntilItIsTakenUp) {
    sharded_world world;
    world.owe({"t1", "t2", "t3"});
    world.driver->hold_nothing();
    world.start();
    world.emit("t4");
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    world.driver->taken_up(shards_of({"t2"}));
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t2/1"));
    world.driver->taken_up(all_shards());
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 4U);
    EXPECT_EQ(world.sender->attempts().size(), 4U) << "each once";
}

TEST(DeliveryShards, LanesThatAreNotInMemoryAreOpenedWhenAShardIsTakenUp) {
    sharded_world world;
    world.owe({"t1"}, shop);
    world.driver->hold_nothing();
    world.start();
    world.run(1h);
    ASSERT_EQ(world.driver->lanes(), 1U) << "nothing of the host is held here";
    world.driver->taken_up(all_shards());
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2U) << "on its lane and on the callback's";
}

TEST(DeliveryShards, LanesAreOpenedAlthoughTheStoreFailedWhenItWasAsked) {
    sharded_world world;
    world.owe({"t1"}, shop);
    world.driver->hold_nothing();
    world.start();
    world.run(1h);
    world.memory->fail_operation(1, store::store_error::unreachable);
    world.driver->taken_up(all_shards());
    world.run(10s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2U);
}

TEST(DeliveryShards, ANewEventDoesNotHideWhatTheLanesStoreHasOfATakenUpShard) {
    sharded_world world;
    world.owe({"t1"}, shop);
    world.driver->hold_nothing();
    world.start();
    world.run(1h);
    world.track("t2", shop, shop + "/hook");
    world.emit("t2"); // its lane is opened before the store has said that there is more
    world.driver->taken_up(all_shards());
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 4U);
}

TEST(DeliveryShards, AReadBeforeTheStoreGaveThemOutIsRepeated) {
    sharded_world world;
    world.owe({"t1"});
    world.driver->hold_nothing();
    const auto hidden = std::exchange(world.disk.heads, {}); // a store that does not give them out
    world.memory->delay_answers(1s);
    world.start();
    world.run(500ms);
    world.disk.heads = hidden;
    world.driver->taken_up(all_shards());
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryShards, ManyHeadsThatAreNotHeldYetAreNotReadOverAndOver) {
    sharded_world world;
    world.callbacks[0].events = {"transaction.overdue"};
    world.reload();
    world.driver->set_held(true);
    for (int i = 0; i < 150; ++i) {
        const std::string id = "u" + std::to_string(i);
        world.track(id, shop, shop + "/hook");
        world.emit(id);
    }
    world.run(1s);
    world.crash();
    world.boot(false);
    world.driver->hold_nothing();
    world.start();
    world.driver->taken_up(shards_of({"none"}));
    world.run(1s);
    const std::uint64_t before = world.memory->operations();
    world.run(60s);
    EXPECT_LE(world.memory->operations() - before, 70U) << "once a second";
    world.driver->taken_up(all_shards());
    world.run(10s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 150U);
}

TEST(DeliveryShards, LanesOfOtherNodesLeaveRoomForThoseThatHaveSomethingHere) {
    sharded_world world;
    world.callbacks.clear();
    world.reload();
    world.driver->set_held(true);
    const std::string other = "t1"; // another node's transaction owes something to very many hosts
    for (std::size_t i = 0; i < most_url_lanes + 10; ++i) {
        const std::string lane = "https://h" + std::to_string(i) + ".shop.example:443";
        world.disk.add_one(
            {*transaction_id::parse("v" + std::to_string(i)),
             "{}",
             lane + "/hook",
             lane,
             world.clock.now().wall,
             milliseconds(86'400'000),
             {}});
        world.emit("v" + std::to_string(i));
    }
    const std::string last = "https://zzz.shop.example:443";
    world.track(other, last, last + "/hook");
    world.emit(other);
    world.run(1s);
    world.crash();
    world.boot(false);
    world.driver->hold_nothing();
    world.start();
    world.run(1s);
    world.driver->taken_up(shards_of({"t1"}));
    world.run(10s);
    EXPECT_THAT(world.attempted(), testing::Contains("t1/1"));
    const std::uint64_t before = world.memory->operations();
    world.run(60s);
    EXPECT_LE(world.memory->operations() - before, 10U) << "it comes to rest";
}

} // namespace
} // namespace prooftrack::engine
