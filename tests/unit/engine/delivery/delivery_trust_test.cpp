// No attempt begins once this node may not trust what it holds; and the limits that nodes share.

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

struct trusted_world : delivery_world {
    trusted_world() {
        callback("backend").max_in_flight = 8;
        rules = {{"*.shop.example"}, ""};
        boot();
    }
    void trust_for(steady_duration span) { driver->trust_until(clock.since_boot() + span); }
    /// The process starts again with these in the store, and nothing in memory.
    void owe(std::initializer_list<const char*> ids) {
        driver->set_held(true);
        for (const char* id : ids) emit(id);
        run(100ms);
        restart();
    }
};

TEST(DeliveryTrust, NothingBeginsAfterIt) {
    trusted_world world;
    world.trust_for(1s);
    world.emit("t1");
    world.run(990ms);
    world.emit("t2");
    world.run(1h);
    EXPECT_THAT(world.attempted(), UnorderedElementsAre("t1/1", "t2/1"));
    world.sender->forget_attempts();
    world.emit("t3");
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    world.trust_for(1s);
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t3/1"));
}

TEST(DeliveryTrust, AMachineThatWasSuspendedWakesWithoutIt) {
    trusted_world world;
    world.trust_for(3s);
    world.clock.suspend(30s);
    world.emit("t1");
    world.run(2s);
    EXPECT_THAT(world.attempted(), IsEmpty()) << "its steady clock stood still, but others may have its shards";
    world.trust_for(3s);
    world.run(2s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryTrust, ItsEndIsNotTrustedAnyMore) {
    trusted_world world;
    world.trust_for(0s);
    world.emit("t1");
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    world.driver->trust_until(std::nullopt);
    world.run(48h);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryTrust, ItMayEndBetweenTheLoadAndTheAttempt) {
    trusted_world world;
    world.owe({"t1", "t2"});
    world.trust_for(3ms);
    world.run(3ms);
    ASSERT_EQ(world.driver->in_flight(), 2U) << "both are being read";
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.driver->in_flight(), 0U) << "nothing stale is kept";
    world.trust_for(1s);
    world.run(1s);
    EXPECT_THAT(world.attempted(), UnorderedElementsAre("t1/1", "t2/1"));
}

TEST(DeliveryTrust, WhatWasLoadedBeforeItEndedIsLoadedAgain) {
    trusted_world world;
    world.callbacks[0].max_in_flight = 1;
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(2s); };
    world.trust_for(1s);
    for (const char* id : {"t1", "t2", "t3"}) world.emit(id);
    world.run(10s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered) << "what was in flight is recorded";
    ASSERT_THAT(world.attempted(), ElementsAre("t1/1"));
    ASSERT_TRUE(
        world.disk.record_attempt(
            {delivery_id{2}, world.clock.now().wall, 1, track::delivery_state::delivered, 200, "", {}}) ==
        std::nullopt); // by another node
    world.trust_for(1h);
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t3/1"));
}

TEST(DeliveryTrust, AWaitThatEndsWithoutItWakesNobodyAndGoesOnWithIt) {
    trusted_world world;
    world.callbacks[0].retry_schedule = {5s};
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.trust_for(3s);
    world.emit("t1");
    world.run(10s);
    ASSERT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
    const std::uint64_t before = world.clock.steps();
    world.run(1h);
    EXPECT_EQ(world.clock.steps(), before);
    world.trust_for(3s);
    world.run(1ms);
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2"));
}

TEST(DeliveryTrust, ItIsExtendedAsLongAsItLasts) {
    trusted_world world;
    world.callbacks[0].retry_schedule = {5s, 5s};
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit("t1");
    for (int i = 0; i < 20; ++i) {
        world.trust_for(3s);
        world.run(1s);
    }
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2", "t1/3"));
}

TEST(DeliveryTrust, ATestByHandIsMadeAllTheSame) {
    trusted_world world;
    world.trust_for(0s);
    bool is_answered = false;
    world.driver->test_callback("backend", [&](const callback::delivery_outcome&) { is_answered = true; });
    world.run(1s);
    EXPECT_TRUE(is_answered);
}

TEST(DeliverySharing, EachNodeMakesItsPartOfTheAttemptsInFlight) {
    trusted_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(1s); };
    world.driver->reconfigure(callback_table(world.callbacks, world.rules, {}, 3));
    for (int i = 0; i < 12; ++i) world.emit("t" + std::to_string(i));
    world.run(1min);
    EXPECT_EQ(world.sender->most_open(), 3U) << "of 8, among 3";
    EXPECT_EQ(world.count(track::delivery_state::delivered), 12U);
}

TEST(DeliverySharing, TheAttemptsOfAllCallbackUrlsAreSharedAsWell) {
    trusted_world world;
    world.callbacks.clear();
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(1s); };
    world.driver->reconfigure(callback_table({}, world.rules, {}, most_url_attempts / 2));
    const auto emit_on_a_host_each = [&world](const std::string& name) {
        for (int i = 0; i < 6; ++i) {
            const std::string lane = "https://" + name + std::to_string(i) + ".shop.example:443";
            world.track(name + std::to_string(i), lane, lane + "/hook");
            world.emit(name + std::to_string(i));
        }
    };
    emit_on_a_host_each("a");
    world.run(1min);
    EXPECT_EQ(world.sender->most_open(), 2U);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 6U);
    emit_on_a_host_each("b");
    world.run(100ms);
    ASSERT_EQ(world.sender->open(), 2U);
    world.driver->reconfigure(callback_table({}, world.rules)); // the others have gone
    world.run(100ms);
    EXPECT_EQ(world.sender->open(), 6U);
}

TEST(DeliverySharing, ANodeThatComesIsNoReasonToWarnAgain) {
    trusted_world world;
    world.emit("t1");
    world.run(1ms);
    world.callbacks.clear();
    world.driver->set_held(true);
    world.emit("t2");
    world.run(1s);
    world.reload();
    world.run(1s);
    const std::size_t before = world.log.count(observe::log_event_id::callback_unconfigured);
    ASSERT_EQ(before, 1U);
    world.driver->reconfigure(callback_table({}, world.rules, {}, 2));
    world.run(1s);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_unconfigured), before);
}

} // namespace
} // namespace prooftrack::engine
