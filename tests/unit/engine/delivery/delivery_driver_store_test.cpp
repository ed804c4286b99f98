// What the delivery driver does when the store is full, has failed, or when the daemon stops; and what people ask of
// it.

#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct one_callback : delivery_world {
    one_callback() {
        callback("backend");
        boot();
    }
    op_result<std::monostate> retry(std::uint64_t id) {
        std::optional<op_result<std::monostate>> answer;
        driver->retry_delivery(delivery_id{id}, [&](op_result<std::monostate> result) { answer = std::move(result); });
        run(5ms);
        return answer.value();
    }
};

TEST(FullStore, AnOutcomeThatFindsAFullStoreIsKeptAndRecordedOnceASecond) {
    one_callback world;
    world.emit("t1");
    world.run(6ms);
    world.memory->set_full(true);
    const std::uint64_t before = world.memory->operations();
    world.run(10s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::pending);
    EXPECT_EQ(world.sender->attempts().size(), 1U) << "not sent again";
    EXPECT_EQ(world.metrics.counts.size(), 0U);
    EXPECT_LE(world.memory->operations() - before, 12U) << "no endless immediate retry";
    EXPECT_TRUE(world.driver->full());
    world.memory->set_full(false);
    world.run(1100ms);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ((world.metrics.counts[{"backend", "delivered"}]), 1) << "counted once";
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    EXPECT_FALSE(world.driver->full());
}

TEST(FullStore, NothingNewIsAttemptedWhileOutcomesCannotBeRecorded) {
    one_callback world;
    world.callbacks[0].max_in_flight = 1;
    world.reload();
    for (int i = 0; i < 5; ++i) world.emit("t" + std::to_string(i));
    world.run(6ms);
    world.memory->set_full(true);
    world.run(10s);
    EXPECT_LE(world.sender->attempts().size(), 2U);
    world.memory->set_full(false);
    world.run(2s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5U);
    EXPECT_EQ(world.sender->attempts().size(), 5U);
}

TEST(FullStore, AReportOfTheStoreStopsAndStartsToo) {
    for (const track::store_state closed : {track::store_state::full, track::store_state::unreachable}) {
        one_callback world;
        world.driver->on_store_state(closed);
        world.emit("t1");
        world.run(1min);
        EXPECT_TRUE(world.sender->attempts().empty());
        world.driver->on_store_state(track::store_state::ok);
        world.run(1s);
        EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
    }
}

TEST(FullStore, ACrashMeanwhileMeansTheAttemptIsMadeAgain) {
    one_callback world;
    world.emit("t1");
    world.run(6ms);
    world.memory->set_full(true);
    world.run(5s);
    world.restart();
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(FailedStore, NothingIsStartedAnyMore) {
    one_callback world;
    world.emit("t1");
    world.run(6ms);
    world.memory->set_failed();
    world.run(1h);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
    EXPECT_EQ(world.driver->in_flight(), 0U);
}

TEST(Stop, WhatEndsInTimeIsRecordedWhatIsCutOffIsMadeAgain) {
    one_callback world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.transaction == "t1" ? reply_failed(500, 2s) : reply_never();
    };
    world.emit("t1");
    world.emit("t2");
    world.run(1s);
    bool stopped = false;
    world.driver->stop(10s, [&stopped] { stopped = true; });
    world.emit("t3");
    world.run(9s);
    EXPECT_FALSE(stopped);
    world.run(2s);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(world.row(1).view.attempts, 1U);
    EXPECT_EQ(world.row(2).view.attempts, 0U) << "the cut-off used nothing of its schedule";
    EXPECT_EQ(world.sender->attempts().size(), 2U) << "nothing was started after stop";
    world.receiver = nullptr;
    world.restart();
    world.run(10s);
    EXPECT_THAT(world.attempted(), testing::UnorderedElementsAre("t1/2", "t2/1", "t3/1"));
}

TEST(Stop, WithNothingInFlightItStopsAtOnce) {
    one_callback world;
    bool stopped = false;
    world.driver->stop(10s, [&stopped] { stopped = true; });
    world.run(1ms);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
}

TEST(Stop, WaitsForTheLastRecord) {
    one_callback world;
    world.emit("t1");
    world.run(7ms); // answered now, to be committed at 9 ms
    bool stopped = false;
    world.driver->stop(10s, [&stopped] { stopped = true; });
    world.run(1ms);
    EXPECT_FALSE(stopped);
    world.run(2ms);
    EXPECT_TRUE(stopped);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
}

TEST(Stop, AFullStoreDoesNotHoldItUp) {
    one_callback world;
    world.emit("t1");
    world.run(6ms);
    world.memory->set_full(true);
    world.run(5s);
    bool stopped = false;
    world.driver->stop(10s, [&stopped] { stopped = true; });
    world.run(1s);
    EXPECT_TRUE(stopped);
}

TEST(DeliveryDriver, AnOutcomeThatCannotBeRecordedHoldsItselfAlone) {
    one_callback world;
    world.emit("t1");
    world.run(3ms);
    world.memory->poison_outcome(delivery_id{1});
    world.run(1s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::pending);
    world.emit("t2");
    world.run(1s);
    EXPECT_EQ(world.row(2).view.state, track::delivery_state::delivered) << "the other one goes on";
    world.run(1min);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t2/1")) << "it is not sent again";
    world.memory->poison_outcome(std::nullopt);
    world.run(2s);
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.sender->attempts().size(), 2U);
    EXPECT_EQ(world.driver->next_wake(), std::nullopt);
}

TEST(RetryByHand, ReplacesThePendingAutomaticAttemptAndStartsTheScheduleAnew) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit("t1");
    world.run(10s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2"));
    EXPECT_TRUE(world.retry(1).has_value());
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2", "t1/1"));
    world.run(6s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2", "t1/1", "t1/2"))
        << "5 s again, and no second timer of the old one";
    world.run(4min);
    EXPECT_EQ(world.sender->attempts().size(), 4U);
}

TEST(RetryByHand, SendsADeliveredOneAgainWithTheSameBytes) {
    one_callback world;
    world.emit("t1");
    world.run(1s);
    EXPECT_TRUE(world.retry(1).has_value());
    world.run(1s);
    ASSERT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
    EXPECT_EQ(*world.sender->attempts()[0].job.body, *world.sender->attempts()[1].job.body);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(RetryByHand, OfOneInFlightMakesOneMoreAttemptIfThatFails) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 1s); };
    world.emit("t1");
    world.run(500ms);
    EXPECT_TRUE(world.retry(1).has_value());
    EXPECT_EQ(world.sender->open(), 1U) << "never two at once";
    world.receiver = nullptr;
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/1"));
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
    world.run(1h);
    EXPECT_EQ(world.sender->attempts().size(), 2U);
}

TEST(RetryByHand, OfOneThatWaitsBehindAnotherKeepsTheOrder) {
    one_callback world;
    bool down = true;
    world.receiver = [&down](const callback::delivery_job&) { return down ? reply_failed() : reply_delivered(); };
    world.emit("t1", track::event_type::failed);
    world.emit("t1", track::event_type::reversed);
    world.run(1s);
    EXPECT_TRUE(world.retry(2).has_value());
    world.run(1s);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    down = false;
    world.run(10s);
    ASSERT_EQ(world.sender->attempts().size(), 3U);
    EXPECT_EQ(world.sender->attempts()[1].job.event_type, "transaction.failed");
    EXPECT_EQ(world.sender->attempts()[2].job.event_type, "transaction.reversed");
}

TEST(RetryByHand, OfNothingIsNotFound) {
    one_callback world;
    const auto answer = world.retry(77);
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, store::store_error::not_found);
}

TEST(RetryByHand, IsRefusedWhileTheStoreIsFullAndNothingIsLost) {
    one_callback world;
    world.emit("t1");
    world.run(6ms);
    world.memory->set_full(true);
    world.run(100ms);
    const auto answer = world.retry(1);
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, store::store_error::full);
    world.memory->set_full(false);
    world.run(2s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
    EXPECT_EQ(world.driver->in_flight(), 0U);
}

TEST(FullStore, ARefusedRequestSaysNothingOfTheStore) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_gone(); };
    world.emit("t1");
    world.run(1s);
    world.driver->pause_callback("backend", [](const op_result<std::monostate>&) {});
    world.run(1s);
    const auto wake = world.driver->next_wake();
    const auto ask_all = [&world] {
        std::vector<error_code> refusals;
        const auto note = [&refusals](const op_result<std::uint64_t>& done) { refusals.push_back(done.error().code); };
        refusals.push_back(world.retry(1).error().code);
        refusals.push_back(world.retry(77).error().code);
        world.driver->retry_dead("backend", note);
        world.driver->flush_callback("backend", note);
        world.run(5ms);
        return refusals;
    };
    using store::store_error;
    const auto own_answers =
        ElementsAre(store_error::paused, store_error::not_found, store_error::paused, store_error::paused);
    EXPECT_THAT(ask_all(), own_answers);
    EXPECT_EQ(world.driver->next_wake(), wake) << "nothing has to be tried again";
    world.driver->on_store_state(track::store_state::full);
    EXPECT_THAT(ask_all(), own_answers);
    world.run(10s);
    EXPECT_TRUE(world.driver->full()) << "nor has it room again";
}

TEST(RetryByHand, AnOldOutcomeThatWasNotRecordedDoesNotUndoIt) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit("t1");
    world.run(6ms);
    world.memory->set_full(true);
    world.run(100ms);
    world.receiver = nullptr;
    world.memory->set_full(false);
    EXPECT_TRUE(world.retry(1).has_value());
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U) << "due now, not by the schedule of the old failure";
}

TEST(RetryDead, OfOneCallbackOrOfAll) {
    one_callback world;
    world.callback("ledger");
    world.rules.allow_hosts = {"shop.example"};
    bool down = true;
    world.receiver = [&down](const callback::delivery_job&) { return down ? reply_gone() : reply_delivered(); };
    world.reload();
    world.track("t1", "https://shop.example:443", "https://shop.example/");
    world.emit("t1");
    world.run(1s);
    ASSERT_EQ(world.count(track::delivery_state::dead), 3U);
    down = false;
    std::vector<std::uint64_t> counts;
    const auto note = [&counts](op_result<std::uint64_t> count) { counts.push_back(count.value()); };
    world.driver->retry_dead("ledger", note);
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
    world.driver->retry_dead(std::nullopt, note);
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 3U) << "also on a lane that was not in memory any more";
    world.driver->retry_dead("callback_url", note);
    world.run(1s);
    EXPECT_THAT(counts, ElementsAre(1U, 2U, 0U));
}

TEST(RetryDead, WhatAFailedOneHasDoneIsAttempted) {
    one_callback world;
    bool down = true;
    world.receiver = [&down](const callback::delivery_job&) { return down ? reply_gone() : reply_delivered(); };
    world.emit("t1");
    world.run(1s);
    ASSERT_EQ(world.count(track::delivery_state::dead), 1U);
    down = false;
    ASSERT_EQ(world.disk.retry_dead("backend", world.clock.now().wall).value(), 1U); // the first slice
    world.memory->fail_operation(1, store::store_error::full);                       // the second one
    world.driver->retry_dead("backend", [](const op_result<std::uint64_t>& count) { EXPECT_FALSE(count); });
    world.run(10s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(RetryDead, ManyMoreThanFitIntoMemory) {
    one_callback world;
    bool down = true;
    world.receiver = [&down](const callback::delivery_job&) { return down ? reply_gone() : reply_delivered(1ms); };
    // Dead by 410 one by one: keep the callback from failing by a success in between.
    world.receiver = [&down](const callback::delivery_job& job) {
        return down && value_of(job.id) % 4 != 0 ? reply_gone(1ms) : reply_delivered(1ms);
    };
    for (int i = 0; i < 4000; ++i) world.emit("t" + std::to_string(i));
    world.run(1min);
    ASSERT_EQ(world.count(track::delivery_state::dead), 3000U);
    down = false;
    world.driver->retry_dead("backend", [](op_result<std::uint64_t>) {});
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 4000U);
}

TEST(CallbackTest, SendsOneEventThatIsNeverRecorded) {
    one_callback world;
    std::optional<callback::delivery_outcome> outcome;
    EXPECT_TRUE(
        world.driver->test_callback("backend", [&](callback::delivery_outcome got) { outcome = std::move(got); }));
    world.run(1s);
    ASSERT_TRUE(outcome.has_value());
    EXPECT_EQ(outcome->status, 200);
    ASSERT_EQ(world.sender->attempts().size(), 1U);
    const callback::delivery_job& job = world.sender->attempts()[0].job;
    EXPECT_EQ(job.event_type, "callback.test");
    EXPECT_EQ(job.event_id.size(), track::event_id_length);
    EXPECT_NE(job.body->find("\"type\":\"callback.test\""), std::string::npos);
    EXPECT_NE(job.body->find(job.event_id), std::string::npos);
    EXPECT_TRUE(world.disk.rows.empty());
    EXPECT_TRUE(world.disk.events.empty());
}

TEST(CallbackTest, AnUnknownNameIsSaidSoAndTestsAreBounded) {
    one_callback world;
    EXPECT_FALSE(world.driver->test_callback("nobody", [](callback::delivery_outcome) {}));
    world.receiver = [](const callback::delivery_job&) { return reply_never(); };
    std::string refused;
    for (std::size_t i = 0; i <= most_callback_tests; ++i) {
        world.driver->test_callback("backend", [&refused](callback::delivery_outcome got) { refused = got.error; });
    }
    EXPECT_EQ(refused, "too many tests are under way");
    EXPECT_EQ(world.sender->open(), most_callback_tests);
}

TEST(CallbackTest, SaysNothingAboutTheHealthOfTheCallback) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    for (int i = 0; i < 10; ++i) world.driver->test_callback("backend", [](callback::delivery_outcome) {});
    world.run(1s);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_failing), 0U);
}

TEST(FreshEvents, AreKeptOnlyUpToTheirBoundAndNoneIsLost) {
    one_callback world;
    world.callbacks[0].max_in_flight = 1;
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(10ms); };
    constexpr std::size_t events = 100;
    for (std::size_t i = 0; i < events; ++i) {
        const std::string id = "t" + std::to_string(i);
        world.track(id);
        world.disk.transactions.at(id).metadata = "{\"note\":\"" + std::string(200'000, 'x') + "\"}";
        world.emit(id);
    }
    world.run(5ms);
    EXPECT_GT(world.driver->fresh_bytes(), most_fresh_bytes / 2);
    EXPECT_LE(world.driver->fresh_bytes(), most_fresh_bytes);
    world.run(5s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), events);
    EXPECT_EQ(world.sender->attempts().size(), events);
    EXPECT_EQ(world.driver->fresh_bytes(), 0U);
}

TEST(FreshEvents, ThoseOfAFailingOrARemovedCallbackAreNotKept) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    for (int i = 0; i < 5; ++i) world.emit("t" + std::to_string(i));
    world.run(10min);
    ASSERT_EQ(world.log.count(observe::log_event_id::callback_failing), 1U);
    world.emit("late");
    world.run(10ms);
    EXPECT_EQ(world.driver->fresh_bytes(), 0U) << "it may wait for a day";

    one_callback slow;
    slow.callbacks[0].max_in_flight = 1;
    slow.reload();
    slow.receiver = [](const callback::delivery_job&) { return reply_never(); };
    for (int i = 0; i < 200; ++i) slow.emit("t" + std::to_string(i));
    slow.run(10ms);
    EXPECT_GT(slow.driver->fresh_bytes(), 0U);
    slow.callbacks.clear();
    slow.reload();
    EXPECT_EQ(slow.driver->fresh_bytes(), 0U);
}

TEST(FreshEvents, ARetryByHandBeforeTheFirstAttemptIsOneAttempt) {
    one_callback world;
    world.callbacks[0].max_in_flight = 1;
    world.reload();
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    for (int i = 0; i < 300; ++i) world.emit("t" + std::to_string(i));
    world.run(10ms);
    EXPECT_TRUE(world.retry(300));
    world.run(60s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 300U);
    EXPECT_EQ(world.sender->attempts().size(), 300U);
    EXPECT_EQ(world.row(300).view.attempts, 1U);
}

TEST(Views, ShowBacklogAgeAndDeadOfEachCallback) {
    one_callback world;
    world.callback("ledger");
    world.reload();
    world.receiver = [](const callback::delivery_job& job) {
        return job.callback == "ledger" ? reply_gone() : reply_failed();
    };
    world.emit("t1");
    world.run(90s);
    const auto views = world.driver->views(world.disk.status(), world.clock.now().wall);
    ASSERT_EQ(views.size(), 2U);
    EXPECT_EQ(views[0].name, "backend");
    EXPECT_EQ(views[0].backlog, 1U);
    EXPECT_EQ(views[0].oldest_undelivered_seconds, 90U);
    EXPECT_EQ(views[1].name, "ledger");
    EXPECT_EQ(views[1].backlog, 0U);
    EXPECT_EQ(views[1].dead, 1U);
    EXPECT_EQ(views[1].oldest_undelivered_seconds, 0U);
}

TEST(Views, AVanishedCallbackIsReportedOnceMoreWithZeros) {
    one_callback world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit("t1");
    world.run(1s);
    world.driver->report(world.disk.status(), world.clock.now().wall);
    EXPECT_EQ(world.metrics.gauges.at("backend").backlog, 1U);
    world.callbacks.clear();
    world.disk.rows.clear();
    world.reload();
    world.run(1s);
    world.driver->report(world.disk.status(), world.clock.now().wall);
    EXPECT_EQ(world.metrics.gauges.at("backend").backlog, 0U);
}

} // namespace
} // namespace prooftrack::engine
