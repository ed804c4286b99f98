// Maintenance holds every attempt; what is in flight ends, and afterwards all goes on slowly.

#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct held_world : delivery_world {
    held_world() {
        callback("backend").max_in_flight = 8;
        boot();
    }
};

TEST(DeliveryHold, NothingStartsAndAllGoesOutAfterIt) {
    held_world world;
    world.driver->set_held(true);
    for (int i = 0; i < 20; ++i) world.emit("t" + std::to_string(i));
    world.run(24h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
    world.driver->set_held(false);
    world.run(5s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 20U);
    EXPECT_EQ(world.sender->attempts().size(), 20U) << "each once";
}

TEST(DeliveryHold, AfterItAttemptsDoubleFromOne) {
    held_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world.driver->set_held(true);
    for (int i = 0; i < 20; ++i) world.emit("t" + std::to_string(i));
    world.run(1h);
    world.driver->set_held(false);
    world.run(50ms);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    world.run(100ms);
    EXPECT_EQ(world.sender->attempts().size(), 3U);
    world.run(100ms);
    EXPECT_GT(world.sender->attempts().size(), 3U);
    EXPECT_LT(world.sender->attempts().size(), 20U);
}

TEST(DeliveryHold, WhatIsInFlightEndsAndIsRecorded) {
    held_world world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.transaction == "t1" ? reply_delivered(2s) : reply_failed(500, 2s);
    };
    world.emit("t1");
    world.emit("t2");
    world.run(1s);
    world.driver->set_held(true);
    world.run(1h);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.row(2).view.attempts, 1U);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1")) << "no second attempt while it is on";
    world.receiver = nullptr;
    world.driver->set_held(false);
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1", "t2/2"));
}

TEST(DeliveryHold, WhatIsBeingLoadedOrWaitsForItsTurnGoesBack) {
    held_world world;
    world.callbacks[0].max_in_flight = 1;
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(2s); };
    for (int i = 0; i < 5; ++i) world.emit("t" + std::to_string(i));
    world.run(1s); // one in flight, more loaded ahead
    world.driver->set_held(true);
    world.run(1h);
    EXPECT_EQ(world.driver->in_flight(), 0U) << "nothing stale is kept";
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    world.driver->retry_dead(std::nullopt, [](const op_result<std::uint64_t>&) {});
    world.driver->set_held(false);
    world.run(20s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5U);
    EXPECT_EQ(world.sender->attempts().size(), 5U);
}

TEST(DeliveryHold, ATestByHandAndARetryAreTaken) {
    held_world world;
    world.driver->set_held(true);
    world.emit("t1");
    world.run(1s);
    bool is_answered = false;
    world.driver->test_callback("backend", [&](const callback::delivery_outcome&) { is_answered = true; });
    bool is_retried = false;
    world.driver->retry_delivery(
        delivery_id{1}, [&](const op_result<std::monostate>& done) { is_retried = done.has_value(); });
    world.run(1min);
    EXPECT_TRUE(is_answered);
    EXPECT_TRUE(is_retried);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 0U);
    world.driver->set_held(false);
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(DeliveryHold, AStartWithinItStartsNothing) {
    held_world world;
    world.driver->set_held(true);
    world.emit("t1");
    world.run(1s);
    world.crash();
    world.boot(false);
    world.driver->set_held(true);
    world.driver->start(world.disk.status());
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    world.driver->set_held(false);
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(DeliveryHold, AStopWithinItStops) {
    held_world world;
    world.driver->set_held(true);
    world.emit("t1");
    world.run(1s);
    bool stopped = false;
    world.driver->stop(10s, [&stopped] { stopped = true; });
    world.driver->set_held(false);
    world.run(1s);
    EXPECT_TRUE(stopped);
    EXPECT_THAT(world.attempted(), IsEmpty());
}

} // namespace
} // namespace prooftrack::engine
