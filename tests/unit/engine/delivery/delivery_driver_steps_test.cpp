// One script of deliveries, replayed with a failure, a full disk or a crash at each step.

#include <gtest/gtest.h>

#include "support/delivery_oracle.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

/// Two callbacks and a callback_url, three transactions with two events each; one receiver fails at first.
struct scripted_run {
    delivery_world world;
    delivery_oracle oracle{world};

    scripted_run() {
        world.callback("backend").retry_schedule = {1s, 10s, 1min, 10min};
        world.callback("ledger", {"transaction.completed", "transaction.reversed"}).retry_schedule = {
            1s, 10s, 1min, 10min};
        world.rules.allow_hosts = {"shop.example"};
        oracle.receive = [](const callback::delivery_job& job) {
            return job.callback == "backend" && job.attempt == 1 ? reply_failed() : reply_delivered();
        };
        world.boot();
        for (int i = 1; i <= 3; ++i) {
            const std::string id = "t" + std::to_string(i);
            world.track(id, "https://shop.example:443", "https://shop.example/");
        }
    }
    void emit_all() {
        for (const char* id : {"t1", "t2", "t3"}) {
            world.emit(id, track::event_type::completed);
            world.emit(id, track::event_type::reversed);
        }
    }
    void restart() {
        world.crash();
        oracle.on_restart();
        world.boot();
    }
    void expect_kept(const std::string& where) {
        oracle.check_end();
        for (const std::string& promise : oracle.broken_promises()) ADD_FAILURE() << where << ": " << promise;
    }
};

TEST(DeliverySteps, TheScriptItselfDeliversEverything) {
    scripted_run run;
    run.emit_all();
    run.world.run(1h);
    run.expect_kept("plain");
    EXPECT_EQ(run.world.count(track::delivery_state::delivered), 18U);
}

TEST(DeliverySteps, AnyOperationOfTheStoreMayFindTheDiskFull) {
    std::uint64_t total = 0;
    {
        scripted_run run;
        run.emit_all();
        run.world.run(1h);
        total = run.world.memory->operations();
    }
    ASSERT_GE(total, 50U);
    // The first operations are the records themselves: those that are refused owe nothing.
    for (std::uint64_t n = 1; n <= total; ++n) {
        scripted_run run;
        run.world.memory->fail_operation(n, store::store_error::full);
        run.emit_all();
        run.world.run(1h);
        run.expect_kept("operation " + std::to_string(n));
        EXPECT_GE(run.world.count(track::delivery_state::delivered), 12U);
    }
}

TEST(DeliverySteps, AnyOperationOfTheStoreMayBeItsLastAndTheNextStartGoesOn) {
    for (std::uint64_t n = 7; n <= 60; ++n) {
        scripted_run run;
        run.emit_all();
        run.world.memory->fail_operation(n, store::store_error::failed);
        run.world.run(1h);
        run.restart();
        run.world.run(1h);
        run.expect_kept("operation " + std::to_string(n));
    }
}

TEST(DeliverySteps, ACrashAtAnyStepLosesNothing) {
    std::uint64_t steps = 0;
    {
        scripted_run run;
        run.emit_all();
        run.world.run(1h);
        steps = run.world.clock.steps();
    }
    ASSERT_GT(steps, 100U);
    for (std::uint64_t n = 1; n <= steps; ++n) {
        scripted_run run;
        run.emit_all();
        for (std::uint64_t i = 0; i < n && run.world.clock.step();) ++i;
        run.restart();
        run.world.run(1h);
        run.expect_kept("crash at step " + std::to_string(n));
    }
}

TEST(DeliverySteps, AStopAtAnyStepLosesNothing) {
    for (std::uint64_t n = 1; n <= 120; ++n) {
        scripted_run run;
        run.emit_all();
        for (std::uint64_t i = 0; i < n && run.world.clock.step();) ++i;
        bool stopped = false;
        run.world.driver->stop(3ms, [&stopped] { stopped = true; });
        run.world.run(1s);
        EXPECT_TRUE(stopped) << n;
        EXPECT_EQ(run.world.driver->in_flight(), 0U) << n;
        run.restart();
        run.world.run(1h);
        run.expect_kept("stop at step " + std::to_string(n));
    }
}

TEST(DeliverySteps, AnyAttemptMayFail) {
    for (std::uint64_t n = 1; n <= 24; ++n) {
        scripted_run run;
        std::uint64_t attempt = 0;
        const auto usual = run.oracle.receive;
        run.oracle.receive = [&attempt, n, usual](const callback::delivery_job& job) {
            return ++attempt == n ? reply_failed(0) : usual(job);
        };
        run.emit_all();
        run.world.run(1h);
        run.expect_kept("attempt " + std::to_string(n));
        EXPECT_EQ(run.world.count(track::delivery_state::delivered), 18U);
    }
}

} // namespace
} // namespace prooftrack::engine
