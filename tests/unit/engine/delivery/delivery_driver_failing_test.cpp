// The failing-callback rule, unconfigured callbacks, and lanes of callback_urls.

#include "engine/delivery/delivery_driver.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/delivery_oracle.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;

struct failing_world : delivery_world {
    bool down = true;

    failing_world() {
        callback("backend");
        receiver = [this](const callback::delivery_job&) { return down ? reply_failed() : reply_delivered(); };
        boot();
    }
    /// Five transactions fail within a second.
    void break_it() {
        for (int i = 1; i <= 5; ++i) emit("t" + std::to_string(i));
        run(1s);
    }
    callback_view::condition state() const { return driver->views(disk.status(), clock.now().wall).at(0).state; }
};

TEST(FailingCallback, FiveFailuresOverThreeTransactionsTurnItAndThatIsDurableAndLoggedOnce) {
    failing_world world;
    world.break_it();
    EXPECT_EQ(world.state(), callback_view::condition::failing);
    EXPECT_TRUE(world.disk.lanes.at("backend").failing_since.has_value());
    ASSERT_EQ(world.log.count(observe::log_event_id::callback_failing), 1U);
    EXPECT_EQ(world.log.of(observe::log_event_id::callback_failing)[0].at("callback"), "backend");
}

TEST(FailingCallback, FiveFailuresOfTwoTransactionsDoNot) {
    failing_world world;
    world.callbacks[0].retry_schedule = {1s, 1s, 1s, 1s};
    world.reload();
    world.emit("t1");
    world.emit("t2");
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::dead), 2U);
    EXPECT_EQ(world.state(), callback_view::condition::ok);
}

TEST(FailingCallback, OnlyTheOldestDueIsTriedAtMostEveryThirtySecondsAndTheOthersUseNothing) {
    failing_world world;
    world.break_it();
    const steady_time turned = world.clock.now().steady;
    world.sender->forget_attempts();
    for (int i = 11; i <= 14; ++i) world.emit("t" + std::to_string(i));
    world.run(10min);
    const auto& attempts = world.sender->attempts();
    ASSERT_GE(attempts.size(), 10U);
    ASSERT_LE(attempts.size(), 20U);
    EXPECT_GE(attempts[0].at - turned, 28s);
    for (std::size_t i = 1; i < attempts.size(); ++i) EXPECT_GE(attempts[i].at - attempts[i - 1].at, 30s) << i;
    EXPECT_EQ(world.count(track::delivery_state::pending), 9U) << "nothing is lost and nothing died";
    std::uint32_t used = 0;
    for (const auto& [id, row] : world.disk.rows) used += row.view.attempts;
    EXPECT_EQ(used, 5U + attempts.size()) << "who was not tried used nothing";
}

TEST(FailingCallback, ItIsLoggedHourlyWhileItLasts) {
    failing_world world;
    world.break_it();
    world.run(2h + 30min);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_failing), 3U);
}

TEST(FailingCallback, TheFirstSuccessEndsItAndTheWaitingOnesGoInOrderAndRamped) {
    failing_world world;
    world.callbacks[0].max_in_flight = 8;
    world.callbacks[0].retry_schedule = {1h};
    world.reload();
    world.break_it();
    for (int i = 11; i <= 40; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    world.sender->forget_attempts();
    world.down = false;
    world.run(40s);
    EXPECT_EQ(world.state(), callback_view::condition::ok);
    EXPECT_FALSE(world.disk.lanes.at("backend").failing_since.has_value());
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_recovered), 1U);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 35U)
        << "what failed goes with the recovery, not an hour later";
    const auto& attempts = world.sender->attempts();
    for (std::size_t i = 1; i < 4; ++i) EXPECT_GT(attempts[i].job.id, attempts[i - 1].job.id);
    EXPECT_GT(attempts[1].at, attempts[0].at + 4ms) << "the second waits for the first one's success";
    EXPECT_GT(attempts[3].at, attempts[1].at + 4ms);
}

TEST(FailingCallback, ACallbackThatComesAndGoesUsesUpNoSchedule) {
    failing_world world;
    world.callbacks[0].retry_schedule = {1h};
    world.reload();
    world.break_it();
    int number = 100;
    for (int round = 0; round < 10; ++round) {
        // One is taken, which ends the failing, and the next five fail again.
        int taken = 0;
        world.receiver = [&taken](const callback::delivery_job&) {
            return taken++ == 0 ? reply_delivered() : reply_failed();
        };
        world.emit("t" + std::to_string(++number));
        world.run(40s);
        world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
        world.run(2s);
        ASSERT_EQ(world.state(), callback_view::condition::failing) << round;
    }
    EXPECT_EQ(world.count(track::delivery_state::dead), 0U);
    world.down = false;
    world.receiver = [](const callback::delivery_job&) { return reply_delivered(); };
    world.emit("last");
    world.run(2min);
    EXPECT_EQ(world.count(track::delivery_state::pending), 0U);
}

TEST(FailingCallback, AGreatBacklogIsFreedWithoutOvertakingAnAttemptInFlight) {
    delivery_world world;
    world.options.recovery_slice = 1; // five heads are as many for the store as 5,000
    world.callback("backend").retry_schedule = {40s, 1h};
    delivery_oracle oracle(world);
    bool down = true;
    oracle.receive = [&down](const callback::delivery_job&) { return down ? reply_failed() : reply_delivered(20ms); };
    world.boot();
    for (int i = 1; i <= 5; ++i) world.emit("t" + std::to_string(i));
    world.run(29s); // the five wait until 40 s after their failure
    down = false;
    world.emit("t6");
    world.run(1020ms); // it is tried after 30 s, and taken
    ASSERT_EQ(world.log.count(observe::log_event_id::callback_recovered), 0U);
    world.run(10ms);
    ASSERT_EQ(world.log.count(observe::log_event_id::callback_recovered), 1U);
    world.memory->delay_commit(15s); // the second slice; meanwhile the others come due
    world.run(1min);
    for (const std::string& promise : oracle.broken_promises()) ADD_FAILURE() << promise;
    EXPECT_EQ(world.count(track::delivery_state::delivered), 6U);
    for (const made_attempt& made : world.sender->attempts()) EXPECT_EQ(made.job.attempt, 1U) << "none of them counts";
}

TEST(FailingCallback, AnAttemptThatFailsWhileABacklogIsFreedCounts) {
    delivery_world world;
    world.options.recovery_slice = 1;
    world.callback("backend").retry_schedule = {40s, 1h};
    world.receiver = [](const callback::delivery_job& job) {
        return job.transaction == "t6" ? reply_delivered() : reply_failed();
    };
    world.boot();
    for (int i = 1; i <= 5; ++i) world.emit("t" + std::to_string(i));
    world.run(29s);
    world.emit("t6");
    world.run(1015ms); // t6 is tried after 30 s, and taken
    ASSERT_EQ(world.log.count(observe::log_event_id::callback_recovered), 1U);
    world.memory->delay_commit(100ms);
    world.emit("t7"); // recorded, attempted and failed before the last slice
    world.run(20s);
    EXPECT_EQ(world.row(7).view.attempts, 1U);
    EXPECT_GT(*world.row(7).view.next_attempt_at, world.clock.now().wall + 15s) << "by its schedule, not at once";
}

TEST(FailingCallback, ARetryAfterIsHonouredAcrossTheRecovery) {
    failing_world world;
    world.receiver = [&world](const callback::delivery_job&) {
        if (!world.down) return reply_delivered();
        scripted_reply busy = reply_failed();
        busy.outcome.status = 503;
        busy.outcome.retry_after = 10min;
        return busy;
    };
    world.break_it();
    world.down = false;
    world.emit("t6");
    world.run(2min);
    EXPECT_EQ(world.state(), callback_view::condition::ok);
    EXPECT_EQ(world.count(track::delivery_state::pending), 5U);
    world.run(10min);
    EXPECT_EQ(world.count(track::delivery_state::pending), 0U);
}

TEST(FailingCallback, StatusSaysWhyAndWhenNextAndWhatIsDueWaits) {
    failing_world world;
    world.callbacks[0].retry_schedule = {1h};
    world.reload();
    const wall_time begin = world.clock.now().wall;
    world.break_it();
    world.emit("t6");
    world.run(1s);
    const wall_time now = world.clock.now().wall;
    const callback_view shown = world.driver->views(world.disk.status(), now).at(0);
    ASSERT_TRUE(shown.failing_since && shown.next_try_at);
    EXPECT_GE(*shown.failing_since, begin);
    EXPECT_LT(*shown.failing_since, now);
    EXPECT_FALSE(shown.last_error.empty());
    EXPECT_GT(*shown.next_try_at, now);
    EXPECT_LE(*shown.next_try_at, now + 30s);
    track::delivery_view due = world.row(6).view;
    world.driver->annotate(due);
    EXPECT_EQ(due.next_attempt_at, std::nullopt) << "it waits for the recovery";
    track::delivery_view later = world.row(1).view;
    world.driver->annotate(later);
    EXPECT_EQ(later.next_attempt_at, world.row(1).view.next_attempt_at) << "its own time lies ahead";
    world.down = false;
    world.run(1min);
    const callback_view after = world.driver->views(world.disk.status(), world.clock.now().wall).at(0);
    EXPECT_EQ(after.state, callback_view::condition::ok);
    EXPECT_EQ(after.failing_since, std::nullopt);
    EXPECT_TRUE(after.last_error.empty());
}

TEST(FailingCallback, WithNothingPendingATestThatIsTakenEndsIt) {
    failing_world world;
    world.callbacks[0].retry_schedule = {};
    world.reload();
    const auto test = [&world] {
        world.driver->test_callback("backend", [](const callback::delivery_outcome&) {});
        world.run(1s);
    };
    world.break_it();
    ASSERT_EQ(world.count(track::delivery_state::dead), 5U);
    EXPECT_EQ(world.driver->views(world.disk.status(), world.clock.now().wall).at(0).next_try_at, std::nullopt);
    test();
    EXPECT_EQ(world.state(), callback_view::condition::failing) << "it was refused";
    world.down = false;
    test();
    EXPECT_EQ(world.state(), callback_view::condition::ok);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_recovered), 1U);
    world.crash();
    world.boot();
    EXPECT_EQ(world.state(), callback_view::condition::ok) << "durably";
}

TEST(FailingCallback, WithABacklogATestEndsNothing) {
    failing_world world;
    world.break_it();
    world.down = false;
    world.driver->test_callback("backend", [](const callback::delivery_outcome&) {});
    world.run(1s);
    EXPECT_EQ(world.state(), callback_view::condition::failing) << "its next attempt shows whether it takes events";
}

TEST(FailingCallback, ItSurvivesARestart) {
    failing_world world;
    world.break_it();
    for (int i = 11; i <= 14; ++i) world.emit("t" + std::to_string(i));
    world.run(5s);
    world.restart();
    const steady_time start = world.clock.now().steady;
    EXPECT_EQ(world.state(), callback_view::condition::failing);
    world.run(2min);
    const auto times = world.attempt_times(start);
    ASSERT_GE(times.size(), 3U);
    ASSERT_LE(times.size(), 4U);
    EXPECT_GE(times[0], 30s);
    world.down = false;
    world.run(10min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 9U);
    EXPECT_FALSE(world.disk.lanes.at("backend").failing_since.has_value());
}

TEST(FailingCallback, AFailingCallbackDelaysNoOther) {
    failing_world world;
    world.callback("healthy");
    world.receiver = [](const callback::delivery_job& job) {
        return job.callback == "backend" ? reply_failed() : reply_delivered();
    };
    world.reload();
    world.break_it();
    EXPECT_EQ(world.state(), callback_view::condition::failing);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 5U);
}

TEST(UnconfiguredCallback, ItsDeliveriesAreHeldUnattemptedAndGoOnWhenTheNameReturns) {
    failing_world world;
    world.emit("t1");
    world.run(1s);
    const auto kept = world.callbacks;
    world.callbacks.clear();
    world.reload();
    world.run(48h);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    const auto views = world.driver->views(world.disk.status(), world.clock.now().wall);
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(views[0].state, callback_view::condition::unconfigured);
    EXPECT_EQ(views[0].backlog, 1U);
    EXPECT_GE(views[0].oldest_undelivered_seconds, 48U * 3600U);
    track::delivery_view shown = world.row(1).view;
    world.driver->annotate(shown);
    EXPECT_EQ(shown.last_error, "callback not configured");
    EXPECT_EQ(shown.next_attempt_at, std::nullopt);
    world.callbacks = kept;
    world.down = false;
    world.reload();
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2"));
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(UnconfiguredCallback, ItIsWarnedAboutAtTheStartAndAtEachReload) {
    failing_world world;
    world.emit("t1");
    world.run(1s);
    world.callbacks.clear();
    world.reload();
    world.run(1s);
    world.reload();
    world.run(1s);
    auto lines = world.log.of(observe::log_event_id::callback_unconfigured);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].at("callback"), "backend");
    EXPECT_EQ(lines[0].at("backlog"), "1");
    world.restart();
    world.run(1s);
    EXPECT_EQ(world.log.count(observe::log_event_id::callback_unconfigured), 3U);
    EXPECT_TRUE(world.sender->attempts().empty());
}

TEST(UnconfiguredCallback, AnAttemptInFlightIsStillRecorded) {
    failing_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(500, 2s); };
    world.emit("t1");
    world.run(1s);
    world.callbacks.clear();
    world.reload();
    world.run(10min);
    EXPECT_EQ(world.row(1).view.attempts, 1U);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
}

TEST(UnconfiguredCallback, EverythingThatPiledUpIsDeliveredAfterTheNameReturns) {
    failing_world world;
    world.down = false;
    world.receiver = [](const callback::delivery_job&) { return reply_never(); };
    for (int i = 0; i < 2500; ++i) world.emit("t" + std::to_string(i));
    world.run(1s);
    const auto kept = world.callbacks;
    world.callbacks.clear();
    world.restart();
    world.run(1h);
    world.callbacks = kept;
    world.receiver = nullptr;
    world.reload();
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2500U);
}

TEST(Reload, AChangedScheduleAndLimitHoldFromTheNextAttempt) {
    failing_world world;
    world.emit("t1");
    world.run(1s); // failed once, the next attempt is 5 s away by the old schedule
    world.callbacks[0].retry_schedule = {5s, 1h};
    world.reload();
    world.run(30min);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2"));
    world.run(1h);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1", "t1/2", "t1/3"));
    EXPECT_EQ(world.row(1).view.state, track::delivery_state::dead);
}

TEST(Reload, ANewCallbackGetsLaterEventsOnly) {
    failing_world world;
    world.down = false;
    world.emit("t1");
    world.run(1s);
    world.callback("ledger");
    world.reload();
    world.emit("t2");
    world.run(1s);
    std::size_t for_ledger = 0;
    for (const auto& [id, row] : world.disk.rows) for_ledger += row.view.callback == "ledger" ? 1U : 0U;
    EXPECT_EQ(for_ledger, 1U);
}

struct url_world : delivery_world {
    url_world() {
        rules.allow_hosts = {"shop.example", "*.many.example"};
        boot();
    }
    void emit_to(const std::string& id, const std::string& host) {
        track(id, "https://" + host + ":443", "https://" + host + "/hook?secret=1");
        emit(id);
    }
};

TEST(CallbackUrl, EachHostHasALaneThatLivesAsLongAsSomethingIsPending) {
    url_world world;
    world.emit_to("t1", "shop.example");
    world.emit_to("t2", "a.many.example");
    world.run(3ms);
    EXPECT_EQ(world.driver->lanes(), 2U);
    world.run(1s);
    EXPECT_EQ(world.driver->lanes(), 0U);
    ASSERT_EQ(world.sender->attempts().size(), 2U);
    EXPECT_EQ(world.sender->attempts()[0].job.callback, "callback_url");
    EXPECT_EQ(world.sender->attempts()[0].job.url, "https://shop.example/hook?secret=1");
    EXPECT_EQ((world.metrics.counts[{"callback_url", "delivered"}]), 2);
}

TEST(CallbackUrl, ADeadHostDelaysNoOtherAndShowsUnderTheOneName) {
    url_world world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.url.find("shop.example") != std::string::npos ? reply_failed() : reply_delivered();
    };
    for (int i = 0; i < 6; ++i) world.emit_to("s" + std::to_string(i), "shop.example");
    for (int i = 0; i < 6; ++i) world.emit_to("m" + std::to_string(i), "b.many.example");
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 6U);
    const auto views = world.driver->views(world.disk.status(), world.clock.now().wall);
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(views[0].name, "callback_url");
    EXPECT_EQ(views[0].state, callback_view::condition::failing);
    EXPECT_EQ(views[0].backlog, 6U);
    for (const auto& line : world.log.lines()) {
        for (const auto& [key, value] : line.fields) EXPECT_EQ(value.find("secret"), std::string::npos) << key;
    }
}

TEST(CallbackUrl, AHostThatIsNoLongerAllowedIsHeld) {
    url_world world;
    world.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world.emit_to("t1", "shop.example");
    world.run(1s);
    world.rules.allow_hosts = {"other.example"};
    world.reload();
    world.run(48h);
    EXPECT_EQ(world.sender->attempts().size(), 1U);
    world.rules.allow_hosts = {"shop.example"};
    world.receiver = nullptr;
    world.reload();
    world.run(1s);
    EXPECT_EQ(world.count(track::delivery_state::delivered), 1U);
}

TEST(CallbackUrl, LanesAreBoundedAndWhoFoundNoPlaceComesLater) {
    url_world world;
    constexpr std::size_t hosts = most_url_lanes + 50;
    world.receiver = [](const callback::delivery_job&) { return reply_never(); };
    for (std::size_t i = 0; i < hosts; ++i)
        world.emit_to("t" + std::to_string(i), "h" + std::to_string(i) + ".many.example");
    world.run(1s);
    EXPECT_EQ(world.driver->lanes(), most_url_lanes);
    EXPECT_EQ(world.sender->most_open(), most_url_attempts);
    world.receiver = nullptr;
    world.restart();
    world.run(1min);
    EXPECT_EQ(world.count(track::delivery_state::delivered), hosts);
    EXPECT_EQ(world.driver->lanes(), 0U);
}

TEST(CallbackUrl, LanesComeBackAfterARestart) {
    url_world world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.attempt == 1 ? reply_failed() : reply_delivered();
    };
    world.emit_to("t1", "shop.example");
    world.run(1s);
    world.restart();
    world.run(1min);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/2"));
    EXPECT_EQ(world.driver->lanes(), 0U);
}

TEST(CallbackUrl, ATransactionThatWasTrackedAnewWithAnotherUrlKeepsItsOrder) {
    url_world world;
    world.receiver = [](const callback::delivery_job& job) {
        return job.attempt == 1 ? reply_failed() : reply_delivered();
    };
    world.emit_to("t1", "shop.example");
    world.run(1s);
    world.disk.transactions.at("t1").facts.state = track::tracking_state::untracked;
    world.emit_to("t1", "new.many.example");
    world.run(1s);
    EXPECT_THAT(world.attempted(), ElementsAre("t1/1"));
    world.run(1min);
    ASSERT_EQ(world.sender->attempts().size(), 4U);
    EXPECT_EQ(world.sender->attempts()[2].job.url, "https://new.many.example/hook?secret=1");
    EXPECT_EQ(world.count(track::delivery_state::delivered), 2U);
}

} // namespace
} // namespace prooftrack::engine
