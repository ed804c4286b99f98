// What another node changes takes effect here: pauses, retries by hand, replays, new deliveries of what is held here.

#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;
using log_id = observe::log_event_id;

const std::string shop = "https://a.shop.example:443";

/// The other node is the test: it changes the disk.
struct news_world : delivery_world {
    bool down = false;

    news_world() {
        callback("backend").retry_schedule = {10min, 10min, 10min};
        rules = {{"*.shop.example"}, ""};
        receiver = [this](const callback::delivery_job&) { return down ? reply_failed() : reply_delivered(); };
        boot();
    }
    void follow() { driver->follow_controls(disk.status()); }
    /// As its caller does it.
    void ask_and_follow() {
        memory->status([this](const op_result<store::store_status>& status) { driver->follow_controls(*status); });
    }
    void pause_here() {
        driver->pause_callback("backend", [](const op_result<std::monostate>& done) { ASSERT_TRUE(done); });
    }
    void resume_here() {
        driver->resume_callback("backend", [](const op_result<std::monostate>& done) { ASSERT_TRUE(done); });
    }
    /// A new delivery, recorded by the other node.
    void owe_elsewhere(const std::string& id, const std::string& lane = "") {
        if (!disk.transactions.contains(id)) track(id, lane, lane.empty() ? "" : lane + "/hook");
        store::transition change{
            *transaction_id::parse(id),
            {},
            clock.now().wall,
            track::tracking_state::tracking,
            "pending",
            {},
            true,
            "",
            false,
            "",
            {}};
        change.facts = disk.transactions.at(id).facts;
        change.event = store::owed_event{
            track::make_event_id(clock.now().wall, ids), track::event_type::completed, "",
            lane.empty() ? std::vector<std::string>{"backend"} : std::vector<std::string>{}};
        ASSERT_TRUE(disk.record(change));
    }
    void retry_elsewhere(std::uint64_t id) { ASSERT_TRUE(disk.retry(delivery_id{id}, clock.now().wall)); }
    void tell_of_retry(std::uint64_t id) { driver->on_changed_elsewhere({"backend"}, {delivery_id{id}}); }
};

TEST(DeliveryNews, APauseOfAnotherNodeHoldsAndEndsHere) {
    news_world world;
    world.disk.pauses["backend"] = world.clock.now().wall;
    world.follow();
    world.follow();
    world.emit("t1");
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    ASSERT_EQ(world.log.count(log_id::callback_paused), 1U) << "said once";
    EXPECT_EQ(world.log.of(log_id::callback_paused)[0].at("callback"), "backend");
    world.disk.pauses.clear();
    world.follow();
    world.follow();
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world.log.count(log_id::callback_resumed), 1U);
}

TEST(DeliveryNews, APauseThatWasSetAgainElsewhereStaysOne) {
    news_world world;
    world.disk.pauses["backend"] = world.clock.now().wall;
    world.follow();
    world.emit("t1");
    world.run(1h);
    const wall_time later = world.clock.now().wall;
    world.disk.pauses["backend"] = later;
    world.follow();
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.driver->views(world.disk.status(), later).at(0).paused_since, later);
}

TEST(DeliveryNews, AnOlderStatusUndoesNothingOfThisNode) {
    for (const bool is_asked_first : {true, false}) {
        news_world world;
        if (is_asked_first) world.ask_and_follow();
        world.pause_here();
        if (!is_asked_first) world.ask_and_follow();
        world.run(1s);
        world.emit("t1");
        world.run(1h);
        EXPECT_THAT(world.attempted(), IsEmpty());
        EXPECT_EQ(world.log.count(log_id::callback_paused), 1U);
        if (is_asked_first) world.ask_and_follow();
        world.resume_here();
        if (!is_asked_first) world.ask_and_follow();
        world.run(1s);
        EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
        EXPECT_EQ(world.log.count(log_id::callback_resumed), 1U);
    }
}

TEST(DeliveryNews, NewDeliveriesOfAnotherNodeAreRead) {
    news_world world;
    world.owe_elsewhere("t1");
    world.owe_elsewhere("t2", shop);
    world.run(1h);
    ASSERT_THAT(world.attempted(), IsEmpty());
    world.driver->on_changed_elsewhere({"backend"}, {});
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    world.driver->on_changed_elsewhere({shop}, {});
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1")) << "on a lane that was not in memory";
}

TEST(DeliveryNews, ALaneThatIsNotConfiguredHereIsNotOpened) {
    news_world world;
    world.driver->on_changed_elsewhere({"other", "https://elsewhere.example:443"}, {});
    EXPECT_EQ(world.driver->lanes(), 1U);
}

TEST(DeliveryNews, AReadThatIsOlderThanTheNewsIsRepeated) {
    news_world world;
    world.driver->on_changed_elsewhere({"backend"}, {});
    world.memory->delay_answers(1s);
    world.run(500ms);
    world.owe_elsewhere("t1");
    world.driver->on_changed_elsewhere({"backend"}, {});
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryNews, WhatWaitsIsDueAtOnceWhenItIsRetriedElsewhere) {
    news_world world;
    world.down = true;
    world.emit("t1");
    world.run(1s);
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
}

TEST(DeliveryNews, AnAttemptInFlightIsFollowedAtOnceWhenItFails) {
    news_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 2s); };
    world.emit("t1");
    world.run(1s);
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.run(3s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
}

TEST(DeliveryNews, AnOutcomeThatIsKeptIsNotWrittenOverTheRetry) {
    news_world world;
    world.down = true;
    world.emit("t1");
    world.run(3ms);
    world.memory->set_full(true);
    world.run(10s);
    ASSERT_EQ(world.row(1).view.attempts, 0U) << "not recorded";
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.down = false;
    world.memory->set_full(false);
    world.driver->on_store_state(track::store_state::ok);
    world.run(5s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
}

TEST(DeliveryNews, AnOutcomeThatWasWrittenOverTheRetryIsFollowedByIt) {
    news_world world;
    world.down = true;
    world.emit("t1");
    world.run(4ms);
    world.memory->delay_commit(1s);
    world.run(500ms);
    ASSERT_EQ(world.driver->busy_in(all_shards()), 1U);
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.down = false;
    world.run(5s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
}

TEST(DeliveryNews, ASuccessThatWasBeingRecordedIsTheEndOfARetry) {
    news_world world;
    world.emit("t1");
    world.run(4ms);
    world.memory->delay_commit(1s);
    world.run(500ms);
    ASSERT_EQ(world.driver->busy_in(all_shards()), 1U);
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
}

TEST(DeliveryNews, AnOutcomeThatTheStoreRefusesBehindTheRetryIsDropped) {
    news_world world;
    world.down = true;
    world.emit("t1");
    world.run(4ms);
    world.memory->delay_commit(1s);
    world.run(500ms);
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.memory->set_full(true);
    world.run(1s);
    world.down = false;
    world.memory->set_full(false);
    world.driver->on_store_state(track::store_state::ok);
    world.run(5s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
}

TEST(DeliveryNews, WhatIsBeingLoadedIsLoadedAsTheRetryLeftIt) {
    news_world world;
    world.driver->set_held(true);
    world.emit("t1");
    world.run(1s);
    world.disk.rows.at(1).view.attempts = 2;
    world.restart();
    world.run(2ms);
    world.memory->delay_answers(1s);
    world.run(500ms);
    ASSERT_EQ(world.driver->in_flight(), 1U) << "it was read, and the answer is on its way";
    world.retry_elsewhere(1);
    world.tell_of_retry(1);
    world.run(5s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

TEST(DeliveryNews, NothingOfAReplayThatAnotherNodeCancelledBegins) {
    news_world world;
    world.callbacks[0].max_in_flight = 1;
    world.driver->set_held(true);
    for (const char* id : {"t1", "t2", "t3"}) world.emit(id);
    world.run(1s);
    world.disk.replays[replay_id{1}] = {};
    world.disk.rows.at(2).replay = replay_id{1};
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(2s); };
    world.restart();
    world.run(1s);
    ASSERT_EQ(world.driver->in_flight(), 3U) << "two are loaded";
    world.disk.unmake_head(world.disk.rows.at(2));
    world.disk.line_of(world.disk.rows.at(2)).clear();
    world.disk.rows.erase(2);
    world.driver->on_replays_changed_elsewhere();
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t3/1"));
}

TEST(DeliveryNews, AReplayThatAnotherNodeBeganIsRead) {
    news_world world;
    world.emit("t1");
    world.run(1s);
    world.disk.replays[replay_id{1}] = {};
    fake_disk::delivery_row again = world.row(1);
    again.view.id = delivery_id{++world.disk.last_delivery};
    again.view.state = track::delivery_state::pending;
    again.view.attempts = 0;
    again.replay = replay_id{1};
    fake_disk::delivery_row& kept = world.disk.rows.emplace(2, again).first->second;
    world.disk.line_of(kept).insert(2);
    world.disk.make_head(kept, world.clock.now().wall);
    world.run(1h);
    ASSERT_EQ(world.sender->attempts().size(), 1U);
    world.driver->on_replays_changed_elsewhere();
    world.run(1s);
    EXPECT_EQ(world.sender->attempts().size(), 2U);
}

} // namespace
} // namespace prooftrack::engine
