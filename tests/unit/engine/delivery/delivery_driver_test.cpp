#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

using names = std::vector<std::string>;

TEST(DeliveryDriver, AttemptsARecordedEventAtOnceWithItsFrozenBytes) {
    delivery_world world;
    world.callback("backend");
    world.boot();
    const steady_time start = world.clock.now().steady;
    world.emit("t1");
    world.run(1s);
    ASSERT_EQ(world.sender->attempts().size(), 1U);
    const made_attempt& made = world.sender->attempts().front();
    EXPECT_EQ(made.at - start, 2ms) << "one commit: what is new need not be loaded";
    EXPECT_EQ(made.job.callback, "backend");
    EXPECT_EQ(made.job.url, "");
    EXPECT_EQ(made.job.event_id, world.row(1).view.event_id);
    EXPECT_EQ(made.job.event_type, "transaction.completed");
    EXPECT_EQ(made.job.transaction, "t1");
    EXPECT_EQ(made.job.state, "settled");
    EXPECT_EQ(made.job.status, "completed");
    EXPECT_EQ(made.job.attempt, 1U);
    EXPECT_EQ(*made.job.body, *world.row(1).body);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.row(1).view.attempts, 1U);
    EXPECT_EQ(world.row(1).view.last_status, 200);
    EXPECT_EQ(world.driver->next_wake(), std::nullopt) << "nothing is left to wait for";
}

TEST(DeliveryDriver, LogsAndCountsADeliveryOnceItIsRecorded) {
    delivery_world world;
    world.callback("backend");
    world.boot();
    world.emit("t1");
    world.run(1s);
    const auto lines = world.log.of(observe::log_event_id::callback_delivered);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("callback"), "backend");
    EXPECT_EQ(lines[0].at("event_id"), world.row(1).view.event_id);
    EXPECT_EQ(lines[0].at("event_type"), "transaction.completed");
    EXPECT_EQ(lines[0].at("merchant_transaction_id"), "t1");
    EXPECT_EQ(lines[0].at("attempt"), "1");
    EXPECT_EQ(lines[0].at("status"), "200");
    EXPECT_EQ(lines[0].at("took_ms"), "5");
    EXPECT_EQ((world.metrics.counts[{"backend", "delivered"}]), 1);
}

TEST(DeliveryDriver, EachAttemptHasTheEventsSequenceAndTrace) {
    delivery_world world;
    world.callback("backend");
    world.boot();
    world.emit("t0");
    world.run(1s);
    world.track("t1");
    world.disk.transactions.at("t1").traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    world.sender->answer_with([](const callback::delivery_job&) { return reply_failed(); });
    world.emit("t1");
    world.run(10s);
    const std::string id = world.row(2).view.event_id;
    std::size_t attempts = 0;
    for (const made_attempt& made : world.sender->attempts()) {
        if (made.job.transaction != "t1") continue;
        ++attempts;
        EXPECT_EQ(made.job.sequence, track::event_sequence(world.disk.events.at(2).timestamp));
        EXPECT_EQ(made.job.traceparent, "00-4bf92f3577b34da6a3ce929d0e0e4736-" + id.substr(20) + "-01");
    }
    EXPECT_GE(attempts, 2U) << "the second one is loaded";
    EXPECT_EQ(world.sender->attempts().at(0).job.traceparent, "");
    const auto lines = world.log.of(observe::log_event_id::callback_failed);
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines[0].at("traceparent"), world.sender->attempts().back().job.traceparent);
    EXPECT_EQ(world.log.of(observe::log_event_id::callback_delivered).at(0).fields.count("traceparent"), 0U);
}

TEST(DeliveryDriver, OnlySelectingCallbacksGetAnEvent) {
    delivery_world world;
    world.callback("all");
    world.callback("failures", {"transaction.failed"});
    world.callback("updates", {"transaction.updated"});
    world.boot();
    world.emit("t1", track::event_type::updated);
    world.emit("t2", track::event_type::failed);
    world.run(1s);
    names got;
    for (const auto& made : world.sender->attempts()) got.push_back(made.job.callback + ":" + made.job.event_type);
    EXPECT_THAT(
        got, testing::UnorderedElementsAre(
                 "updates:transaction.updated", "all:transaction.failed", "failures:transaction.failed"));
}

TEST(DeliveryDriver, RetriesByTheScheduleNeverEarlyThenItIsDead) {
    delivery_world world;
    world.callback("backend").retry_schedule = {5s, 5min, 30min};
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.boot();
    const steady_time start = world.clock.now().steady;
    world.emit("t1");
    world.run(24h);
    const auto times = world.attempt_times(start);
    ASSERT_EQ(times.size(), 4U) << "one and three retries";
    const std::vector<milliseconds> waits{5s, 5min, 30min};
    for (std::size_t i = 0; i < waits.size(); ++i) {
        const milliseconds gap = times[i + 1] - times[i];
        EXPECT_GE(gap, waits[i] + 5ms) << "counted from the end of the attempt";
        EXPECT_LE(gap, waits[i] + waits[i] / 20 + 5ms + 2ms) << "and one commit for the load";
    }
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::dead);
    EXPECT_EQ(world.row(1).view.attempts, 4U);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_failed), 3U);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_dead), 1U);
    EXPECT_EQ((world.metrics.counts[{"backend", "failed"}]), 3);
    EXPECT_EQ((world.metrics.counts[{"backend", "dead"}]), 1);
}

TEST(DeliveryDriver, EveryAttemptSendsTheSameBytesUnderTheSameIdAtItsOwnTime) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        return job.attempt < 3 ? reply_failed() : reply_delivered();
    };
    world.boot();
    world.emit("t1");
    world.run(1h);
    ASSERT_EQ(world.sender->attempts().size(), 3U);
    const callback::delivery_job& first = world.sender->attempts().front().job;
    for (const made_attempt& made : world.sender->attempts()) {
        EXPECT_EQ(*made.job.body, *first.body);
        EXPECT_EQ(made.job.event_id, first.event_id);
        EXPECT_EQ(
            made.job.now.time_since_epoch(), (virtual_clock::epoch + (made.at - steady_time(3h))).time_since_epoch());
    }
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2", "t1/3"));
}

TEST(DeliveryDriver, TheNextAttemptIsDurableBeforeItIsWaitedFor) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.boot();
    world.emit("t1");
    world.run(7ms); // attempted at 2 ms, failed at 7 ms
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
    EXPECT_EQ(world.row(1).view.attempts, 0U);
    world.run(2ms);
    EXPECT_EQ(world.row(1).view.attempts, 1U);
    ASSERT_TRUE(world.row(1).view.next_attempt_at.has_value());
    const milliseconds wait = *world.row(1).view.next_attempt_at - world.clock.now().wall;
    EXPECT_EQ(world.driver->next_wake(), world.clock.now().steady + wait);
}

TEST(DeliveryDriver, ALaterEventOfATransactionWaitsForTheEarlierOne) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        return job.event_type == "transaction.failed" && job.attempt == 1 ? reply_failed() : reply_delivered();
    };
    world.boot();
    world.emit("t1", track::event_type::failed);
    world.emit("t1", track::event_type::reversed);
    world.emit("t2");
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1"));
    world.run(10s);
    ASSERT_EQ(world.sender->attempts().size(), 4U);
    EXPECT_EQ(world.sender->attempts()[2].job.event_type, "transaction.failed");
    EXPECT_EQ(world.sender->attempts()[3].job.event_type, "transaction.reversed");
    const auto failed = world.log.of(observe::log_event_id::callback_failed);
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].at("waiting"), "1") << "says that an event waits behind the refused one";
    EXPECT_EQ(failed[0].at("error"), "500");
    EXPECT_EQ(failed[0].at("next_attempt_at").size(), 24U);
}

TEST(DeliveryDriver, AfterADeadDeliveryTheNextEventOfItsTransactionGoesOn) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        return job.event_type == "transaction.failed" ? reply_gone() : reply_delivered();
    };
    world.boot();
    world.emit("t1", track::event_type::failed);
    world.emit("t1", track::event_type::reversed);
    world.run(1s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::dead) << "410: at once";
    EXPECT_EQ(world.row(2).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_dead), 1U);
}

TEST(DeliveryDriver, RetryAfterOf429And503IsHonouredOfOthersNot) {
    for (const int status : {429, 503, 500}) {
        delivery_world world;
        world.callback("backend");
        world.receiver = [status](const callback::delivery_job& job) {
            if (job.attempt > 1) return reply_delivered();
            scripted_reply reply = reply_failed(status);
            reply.outcome.retry_after = 90s;
            return reply;
        };
        world.boot();
        world.emit("t1");
        world.run(1h);
        ASSERT_EQ(world.sender->attempts().size(), 2U);
        const auto gap = world.sender->attempts()[1].at - world.sender->attempts()[0].at;
        if (status == 500) {
            EXPECT_LT(gap, 6s);
        } else {
            EXPECT_GE(gap, 90s + 5ms);
            EXPECT_LT(gap, 91s);
        }
    }
}

TEST(DeliveryDriver, ALongRetryAfterSurvivesARestart) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        if (job.attempt > 1) return reply_delivered();
        scripted_reply reply = reply_failed(503);
        reply.outcome.retry_after = 3h;
        return reply;
    };
    world.boot();
    world.emit("t1");
    world.run(1min);
    world.restart();
    world.run(3h - 2min);
    EXPECT_EQ(world.sender->attempts().size(), 0U);
    world.run(2min);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/2"));
}

TEST(DeliveryDriver, NeverMoreInFlightThanTheCallbackAllows) {
    delivery_world world;
    world.callback("backend").max_in_flight = 3;
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world.boot();
    for (int i = 0; i < 50; ++i) world.emit("t" + std::to_string(i));
    world.run(10s);
    EXPECT_EQ(world.sender->most_open(), 3U);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 50U);
}

TEST(DeliveryDriver, AHangingCallbackDelaysNoOther) {
    delivery_world world;
    world.callback("hangs").max_in_flight = 2;
    world.callback("healthy");
    world.receiver = [](const callback::delivery_job& job) {
        return job.callback == "hangs" ? reply_never() : reply_delivered();
    };
    world.boot();
    const steady_time start = world.clock.now().steady;
    for (int i = 0; i < 40; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 40U);
    for (const made_attempt& made : world.sender->attempts()) EXPECT_LT(made.at - start, 100ms);
}

TEST(DeliveryDriver, AThousandsLongBacklogIsWorkedOffInOrderThroughABoundedMemory) {
    delivery_world world;
    world.callback("backend").max_in_flight = 4;
    bool down = true;
    world.receiver = [&down](const callback::delivery_job&) { return down ? reply_never() : reply_delivered(1ms); };
    world.boot();
    for (int i = 0; i < 5000; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    down = false;
    world.restart();
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5000U);
    std::uint64_t expected = 0;
    for (const made_attempt& made : world.sender->attempts()) EXPECT_EQ(value_of(made.job.id), ++expected);
    EXPECT_EQ(expected, 5000U) << "each once";
}

TEST(DeliveryDriver, ARestartGoesOnWhereItWas) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        return job.attempt <= 2 ? reply_failed() : reply_delivered();
    };
    world.boot();
    world.emit("t1");
    world.run(10s); // two attempts
    ASSERT_EQ(world.row(1).view.attempts, 2U);
    const wall_time next = *world.row(1).view.next_attempt_at;
    world.restart();
    world.run(10min);
    ASSERT_THAT(world.attempted(), ElementsAre("t1/3"));
    const auto at = world.sender->attempts()[0].job.now;
    EXPECT_GE(at, next);
    EXPECT_LE(at, next + 10ms);
}

TEST(DeliveryDriver, AnAttemptWhoseOutcomeWasNotRecordedIsMadeAgain) {
    delivery_world world;
    world.callback("backend");
    world.boot();
    world.emit("t1");
    world.run(8ms); // answered at 7 ms, to be committed at 9 ms
    ASSERT_EQ(world.sender->attempts().size(), 1U);
    const std::string bytes = *world.sender->attempts()[0].job.body;
    world.restart();
    world.run(1s);
    ASSERT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(*world.sender->attempts()[0].job.body, bytes);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(DeliveryDriver, AWakeThatComesForNothingChangesNothing) {
    delivery_world world;
    world.callback("backend");
    world.boot();
    world.driver->on_wake(world.clock.now());
    world.run(1s);
    EXPECT_EQ(world.sender->attempts().size(), 0U);
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
}

TEST(DeliveryDriver, AClockThatStepsAYearBackDelaysNothing) {
    delivery_world world;
    world.callback("backend");
    world.receiver = [](const callback::delivery_job& job) {
        return job.transaction == "t1" && job.attempt == 1 ? reply_failed() : reply_delivered();
    };
    world.boot();
    world.emit("t1");
    world.run(1s);
    world.clock.jump_wall(-8760h);
    world.driver->on_wake(world.clock.now());
    world.emit("t2");
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1"));
    world.run(6s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1", "t1/2"));
}

TEST(DeliveryDriver, AClockThatStepsAYearForwardSendsEarlyButOneByOne) {
    delivery_world world;
    world.callback("backend").retry_schedule = {1h};
    // Two transactions only, so that the callback does not count as failing.
    world.callbacks[0].max_in_flight = 1;
    world.receiver = [](const callback::delivery_job& job) {
        return job.attempt == 1 ? reply_failed() : reply_delivered();
    };
    world.boot();
    world.emit("t1");
    world.emit("t2");
    world.run(1s);
    world.clock.jump_wall(8760h);
    world.driver->on_wake(world.clock.now());
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2U);
    EXPECT_EQ(world.sender->most_open(), 1U);
}

TEST(DeliveryDriver, AReloadMayBeQuickerThanTheStore) {
    delivery_world world;
    world.callback("backend");
    world.boot(false);
    world.reload();
    world.driver->start(world.disk.status());
    world.emit("t1");
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
}

} // namespace
} // namespace prooftrack::engine
