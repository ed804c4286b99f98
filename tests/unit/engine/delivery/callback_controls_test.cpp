// A callback that is paused, resumed or flushed by hand, with the whole driver around it.

#include "engine/delivery/callback_controls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_oracle.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct controlled_world : delivery_world {
    bool down = false;

    controlled_world() {
        callback("backend").retry_schedule = {10min, 10min, 10min};
        receiver = [this](const callback::delivery_job&) { return down ? reply_failed() : reply_delivered(); };
        boot();
    }
    void pause(const std::string& name = "backend") {
        bool is_done = false;
        driver->pause_callback(name, [&](const op_result<std::monostate>& done) { is_done = done.has_value(); });
        run(100ms);
        ASSERT_TRUE(is_done);
    }
    void resume(const std::string& name = "backend") {
        driver->resume_callback(name, [](const op_result<std::monostate>& done) { ASSERT_TRUE(done); });
    }
    op_result<std::uint64_t> flush(const std::string& name = "backend") {
        std::optional<op_result<std::uint64_t>> answer;
        driver->flush_callback(name, [&](op_result<std::uint64_t> due) { answer = std::move(due); });
        run(20ms);
        return answer.value();
    }
    callback_view view(const std::string& name = "backend") const {
        for (const callback_view& one : driver->views(disk.status(), clock.now().wall)) {
            if (one.name == name) return one;
        }
        return {};
    }
    std::uint32_t attempts_counted() const {
        std::uint32_t used = 0;
        for (const auto& [id, row] : disk.rows) used += row.view.attempts;
        return used;
    }
};

TEST(CallbackControls, APausedCallbackIsAttemptedNothingAndUsesNothingOfItsSchedule) {
    controlled_world world;
    world.pause();
    for (const char* id : {"t1", "t2", "t1"}) world.emit(id);
    world.run(24h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.attempts_counted(), 0U);
    EXPECT_EQ(world.count(track::delivery_state::pending), 3U);
    EXPECT_EQ(world.view().state, callback_view::condition::paused);
    EXPECT_TRUE(world.view().paused_since);
    EXPECT_EQ(world.driver->fresh_bytes(), 0U) << "their bytes are in the store";
}

TEST(CallbackControls, WhatWaitedGoesInOrderAndRamped) {
    controlled_world world;
    world.callbacks[0].max_in_flight = 8;
    world.reload();
    world.pause();
    for (int i = 0; i < 8; ++i) world.emit("t" + std::to_string(i));
    world.emit("t0");
    world.run(1h);
    world.resume();
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 9U);
    const auto& attempts = world.sender->attempts();
    ASSERT_EQ(attempts.size(), 9U);
    EXPECT_EQ(attempts[0].job.transaction, "t0");
    EXPECT_EQ(attempts[8].job.transaction, "t0") << "the second event of one transaction waits for the first";
    EXPECT_GE(attempts[1].at, attempts[0].at + 5ms) << "one at first";
    EXPECT_EQ(world.view().state, callback_view::condition::ok);
    EXPECT_EQ(world.view().paused_since, std::nullopt);
}

TEST(CallbackControls, WhatIsInFlightEndsNormally) {
    controlled_world world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.transaction == "t1" ? reply_delivered(10s) : reply_failed(500, 10s);
    };
    world.emit("t1");
    world.emit("t2");
    world.run(1s);
    world.pause();
    world.run(1h);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.row(2).view.attempts, 1U);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1"));
}

TEST(CallbackControls, NothingBeginsFromTheAnswerOnWhateverWasOnItsWay) {
    for (int steps = 0; steps < 40; ++steps) {
        controlled_world world;
        std::optional<steady_time> paused_at;
        for (int i = 0; i < 40; ++i) world.emit("t" + std::to_string(i));
        world.run(milliseconds(steps));
        world.driver->pause_callback(
            "backend", [&](const op_result<std::monostate>&) { paused_at = world.clock.now().steady; });
        world.run(1min);
        ASSERT_TRUE(paused_at);
        for (const made_attempt& one : world.sender->attempts()) EXPECT_LE(one.at, *paused_at) << steps;
        EXPECT_EQ(world.driver->in_flight(), 0U);
        world.resume();
        world.run(10s);
        EXPECT_EQ(world.count(track::delivery_state::delivered), 40U) << steps;
    }
}

TEST(CallbackControls, APauseOutlivesCrashStopAndReload) {
    controlled_world world;
    world.pause();
    world.emit("t1");
    world.run(1s);
    world.restart();
    world.run(1h);
    world.reload();
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.view().state, callback_view::condition::paused);
    EXPECT_EQ(world.log.of(observe::log_event_id::callback_paused).back().at("backlog"), "1") << "told at the start";
    world.resume();
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    world.restart();
    world.emit("t2");
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2U) << "and so does its end";
}

TEST(CallbackControls, AReloadThatIsQuickerThanTheStoreFindsItPaused) {
    controlled_world world;
    world.pause();
    world.emit("t1");
    world.run(1s);
    world.crash();
    world.boot(false);
    world.reload();
    world.driver->start(world.disk.status());
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
}

TEST(CallbackControls, AskingAgainChangesNothing) {
    controlled_world world;
    world.pause();
    const auto since = world.view().paused_since;
    world.run(1min);
    world.pause();
    EXPECT_EQ(world.view().paused_since, since);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_paused), 1U);
    world.resume();
    world.resume();
    world.run(1s);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_resumed), 1U);
    EXPECT_EQ(world.view().state, callback_view::condition::ok);
}

TEST(CallbackControls, OtherCallbacksGoOn) {
    controlled_world world;
    world.callback("ledger");
    world.reload();
    world.pause();
    world.emit("t1");
    world.run(1s);
    ASSERT_EQ(world.sender->attempts().size(), 1U);
    EXPECT_EQ(world.sender->attempts()[0].job.callback, "ledger");
}

TEST(CallbackControls, CallbackUrlMeansAllLanesAlsoThoseThatComeLater) {
    controlled_world world;
    world.rules.allow_hosts = {"*.shop.example"};
    world.reload();
    world.track("t1", "https://a.shop.example:443", "https://a.shop.example/");
    world.track("t2", "https://b.shop.example:443", "https://b.shop.example/");
    world.emit("t1");
    world.run(1s);
    world.sender->forget_attempts();
    world.pause("callback_url");
    world.emit("t1");
    world.emit("t2");
    world.run(1h);
    EXPECT_EQ(world.sender->attempts().size(), 2U) << "those to backend";
    for (const made_attempt& one : world.sender->attempts()) EXPECT_EQ(one.job.callback, "backend");
    EXPECT_EQ(world.view("callback_url").state, callback_view::condition::paused);
    world.resume("callback_url");
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::pending), 0U);
}

TEST(CallbackControls, ItIsToldOfHourly) {
    controlled_world world;
    world.pause();
    world.emit("t1");
    for (int minute = 0; minute < 150; ++minute) {
        world.run(1min);
        world.driver->remind(world.disk.status());
    }
    const auto lines = world.log.of(observe::log_event_id::callback_paused);
    ASSERT_EQ(lines.size(), 3U);
    EXPECT_EQ(lines[0].at("callback"), "backend");
    EXPECT_EQ(lines[0].at("backlog"), "");
    EXPECT_EQ(lines[2].at("since"), lines[0].at("since"));
    EXPECT_EQ(lines[2].at("backlog"), "1");
}

TEST(CallbackControls, AFailingOneIsNeitherProbedNorToldOfWhileItIsPaused) {
    controlled_world world;
    world.down = true;
    for (int i = 1; i <= 5; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    ASSERT_EQ(world.view().state, callback_view::condition::failing);
    world.pause();
    world.sender->forget_attempts();
    world.run(5h);
    EXPECT_THAT(world.attempted(), IsEmpty());
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_failing), 1U);
    EXPECT_EQ(world.view().next_try_at, std::nullopt);
    world.down = false;
    world.resume();
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5U);
    EXPECT_EQ(world.view().state, callback_view::condition::ok);
}

TEST(CallbackControls, ARetryByHandOfAPausedOneIsRefusedAndChangesNothing) {
    controlled_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 10s); };
    world.emit("t1");
    world.run(1s);
    world.pause(); // while its attempt is in flight
    std::optional<op_result<std::monostate>> one;
    std::optional<op_result<std::uint64_t>> all;
    world.driver->retry_delivery(delivery_id{1}, [&](op_result<std::monostate> done) { one = std::move(done); });
    world.driver->retry_dead("backend", [&](op_result<std::uint64_t> done) { all = std::move(done); });
    world.run(1min);
    EXPECT_EQ(one.value().error().code, store::store_error::paused);
    EXPECT_EQ(one.value().error().detail, "backend");
    EXPECT_EQ(all.value().error().code, store::store_error::paused);
    EXPECT_EQ(world.row(1).view.attempts, 1U) << "the attempt counts, and its schedule did not start again";
}

TEST(CallbackControls, APendingDeliverySaysThatItsCallbackIsPaused) {
    controlled_world world;
    world.down = true;
    world.emit("t1");
    world.run(1s);
    world.pause();
    track::delivery_view view = world.row(1).view;
    world.driver->annotate(view);
    EXPECT_EQ(view.last_error, "callback paused");
    EXPECT_EQ(view.next_attempt_at, std::nullopt);
    world.resume();
    world.run(1s);
    view = world.row(1).view;
    world.driver->annotate(view);
    EXPECT_EQ(view.last_error, "500");
    EXPECT_TRUE(view.next_attempt_at);
}

TEST(CallbackControls, APausedOneThatIsNotConfiguredIsShown) {
    controlled_world world;
    world.pause();
    world.callbacks.clear();
    world.reload();
    world.run(1s);
    EXPECT_EQ(world.view().state, callback_view::condition::unconfigured);
    EXPECT_TRUE(world.view().paused_since);
}

TEST(CallbackControls, AFullStoreRefusesAPauseAndNothingIsPaused) {
    controlled_world world;
    world.memory->set_full(true);
    std::optional<op_result<std::monostate>> answer;
    world.driver->pause_callback("backend", [&](op_result<std::monostate> done) { answer = std::move(done); });
    world.run(100ms);
    EXPECT_EQ(answer.value().error().code, store::store_error::full);
    world.memory->set_full(false);
    world.emit("t1");
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

// ---- flush

TEST(CallbackControls, AFlushMakesDueWhatWaitsAndKeepsOrderAndAttempts) {
    controlled_world world;
    world.down = true;
    world.emit("t1");
    world.emit("t1", track::event_type::reversed);
    world.emit("t2");
    world.run(1s);
    world.down = false;
    world.sender->forget_attempts();
    EXPECT_EQ(world.flush().value(), 3U) << "all that is pending";
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/2", "t2/2", "t1/1"));
    EXPECT_EQ(world.count(track::delivery_state::delivered), 3U);
    EXPECT_EQ(world.flush().value(), 0U);
}

TEST(CallbackControls, AFlushOfAFailingOneTriesItAtOnceWithOne) {
    controlled_world world;
    world.down = true;
    for (int i = 1; i <= 5; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    ASSERT_EQ(world.view().state, callback_view::condition::failing);
    world.sender->forget_attempts();
    world.flush();
    world.run(1s);
    EXPECT_EQ(world.sender->attempts().size(), 1U) << "it still fails";
    world.down = false;
    world.flush();
    world.run(1s);
    EXPECT_EQ(world.view().state, callback_view::condition::ok);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5U);
}

TEST(CallbackControls, AFlushOfAPausedOneIsRefused) {
    controlled_world world;
    world.pause();
    world.emit("t1");
    world.run(1s);
    const auto refused = world.flush();
    EXPECT_EQ(refused.error().code, store::store_error::paused);
    EXPECT_EQ(refused.error().detail, "backend");
    world.run(1h);
    EXPECT_THAT(world.attempted(), IsEmpty());
}

} // namespace
} // namespace prooftrack::engine
