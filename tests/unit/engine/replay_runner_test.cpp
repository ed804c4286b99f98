// Replays as their users see them: order, pace, what is new meanwhile, crashes, cancels, refusals.

#include "engine/replay_runner.hpp"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/replay_world.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

using log_id = observe::log_event_id;

class Replays : public testing::Test {
  protected:
    /// Events of t1 … tN, one each, that nobody was owed.
    void record_past(int number, track::event_type type = track::event_type::completed) {
        world_.deliveries.callbacks.clear();
        world_.boot();
        for (int i = 1; i <= number; ++i) world_.deliveries.emit("t" + std::to_string(i), type);
        world_.deliveries.run(1s);
        world_.crash();
    }
    config::callback_config& boot_with(const std::string& name, std::vector<std::string> events = {"transaction.*"}) {
        config::callback_config& one = world_.deliveries.callback(name, std::move(events));
        world_.boot();
        world_.deliveries.run(1s);
        return one;
    }
    std::vector<std::string> attempted() { return world_.deliveries.attempted(); }
    std::string refusal(const std::shared_ptr<std::optional<api::outcome<track::replay_view>>>& answer) {
        const auto& problem = std::get<api::problem>(answer->value());
        EXPECT_FALSE(problem.detail.empty());
        return std::string(api::word_of(problem.code));
    }

    replay_world world_;
};

TEST_F(Replays, GiveANewCallbackThePast) {
    record_past(3);
    boot_with("new");
    const steady_time start = world_.deliveries.clock.now().steady;
    const auto answer = world_.begin(replay_world::request("new"));
    world_.deliveries.run(10s);
    const track::replay_view begun = std::get<track::replay_view>(answer->value());
    EXPECT_EQ(begun.events, 3U);
    EXPECT_THAT(attempted(), ElementsAre("t1/1", "t2/1", "t3/1"));
    // One commit for the replay, one for its deliveries, one for their loads.
    EXPECT_THAT(world_.deliveries.attempt_times(start), ElementsAre(6ms, 6ms, 6ms));
    const made_attempt& first = world_.deliveries.sender->attempts().front();
    EXPECT_EQ(*first.job.body, *world_.deliveries.disk.events.at(1).body);
    EXPECT_EQ(first.job.event_id, world_.deliveries.disk.events.at(1).id);
    EXPECT_EQ(first.job.sequence, track::event_sequence(world_.deliveries.disk.events.at(1).timestamp));
    const track::replay_view done = world_.replay(1);
    EXPECT_EQ(done.state, track::replay_state::done);
    EXPECT_EQ(done.made, 3U);
    EXPECT_EQ(done.delivered, 3U);
    EXPECT_EQ(world_.runner->running(), 0U);
    EXPECT_EQ(world_.runner->next_wake(), std::nullopt) << "nothing is left to do";
}

TEST_F(Replays, AreLoggedCountedAndAudited) {
    record_past(3);
    boot_with("new");
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(5ms);
    EXPECT_THAT(world_.registry.serialize(), HasSubstr("prooftrackd_replays_running 1\n"));
    world_.deliveries.run(10s);
    EXPECT_THAT(world_.registry.serialize(), HasSubstr("prooftrackd_replays_running 0\n"));
    EXPECT_THAT(world_.registry.serialize(), HasSubstr("prooftrackd_replay_events_total{callback=\"new\"} 3\n"));
    const auto started = world_.deliveries.log.of(log_id::replay_started);
    ASSERT_EQ(started.size(), 1U);
    EXPECT_EQ(started[0].at("callback"), "new");
    EXPECT_EQ(started[0].at("events"), "3");
    EXPECT_EQ(started[0].at("resumed"), "false");
    const auto done = world_.deliveries.log.of(log_id::replay_done);
    ASSERT_EQ(done.size(), 1U);
    EXPECT_EQ(done[0].at("delivered"), "3");
    const auto audit = world_.deliveries.log.of(log_id::api_change);
    ASSERT_EQ(audit.size(), 1U);
    EXPECT_EQ(audit[0].at("action"), "replay");
    EXPECT_EQ(audit[0].at("callback"), "new");
    EXPECT_EQ(audit[0].at("uid"), "1000");
    EXPECT_EQ(audit[0].at("result"), "done");
}

TEST_F(Replays, ADryRunCountsAndMakesNothing) {
    record_past(3);
    boot_with("new");
    api::replay_request wanted = replay_world::request("new");
    wanted.dry_run = true;
    const auto answer = world_.begin(std::move(wanted));
    world_.deliveries.run(10s);
    EXPECT_EQ(std::get<track::replay_view>(answer->value()).events, 3U);
    EXPECT_TRUE(world_.deliveries.disk.replays.empty());
    EXPECT_TRUE(attempted().empty());
    EXPECT_EQ(world_.deliveries.log.count(log_id::api_change), 0U) << "it changes nothing";
}

TEST_F(Replays, AreOfWhatTheCallbackSelects) {
    record_past(2, track::event_type::updated);
    world_.boot();
    world_.deliveries.emit("t1", track::event_type::failed);
    world_.deliveries.run(1s);
    world_.crash();
    world_.deliveries.callback("final");
    boot_with("both", {"transaction.updated", "transaction.failed"});
    const auto count = [&](const std::string& name, std::vector<std::string> types) {
        api::replay_request wanted = replay_world::request(name, true, std::move(types));
        wanted.dry_run = true;
        const auto answer = world_.begin(std::move(wanted));
        world_.deliveries.run(1s);
        return std::get<track::replay_view>(answer->value()).events;
    };
    EXPECT_EQ(count("final", {}), 1U) << "transaction.updated needs its full name";
    EXPECT_EQ(count("final", {"transaction.updated"}), 0U) << "types narrow alone";
    EXPECT_EQ(count("both", {}), 3U);
    EXPECT_EQ(count("both", {"transaction.updated"}), 2U);
    EXPECT_EQ(count("both", {"transaction.*"}), 1U);
}

TEST_F(Replays, WhatIsNewGoesFirst) {
    record_past(40);
    boot_with("new").max_in_flight = 4;
    world_.deliveries.reload();
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(1s);
    EXPECT_EQ(world_.deliveries.sender->most_open(), 2U) << "half of max_in_flight";
    const steady_time start = world_.deliveries.clock.now().steady;
    for (const char* id : {"n1", "n2"}) world_.deliveries.emit(id);
    world_.deliveries.run(1s);
    std::vector<milliseconds> times;
    for (const made_attempt& one : world_.deliveries.sender->attempts()) {
        if (one.job.transaction.starts_with("n")) times.push_back(std::chrono::floor<milliseconds>(one.at - start));
    }
    EXPECT_THAT(times, ElementsAre(2ms, 2ms)) << "their commit alone";
    EXPECT_EQ(world_.deliveries.sender->most_open(), 4U);
    world_.deliveries.run(10s);
    EXPECT_EQ(world_.replay(1).delivered, 40U);
}

TEST_F(Replays, HoldNoMoreThanABoundPending) {
    record_past(1500);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_failed(503, 10ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(1s);
    EXPECT_EQ(world_.replay(1).made, track::most_pending_of_replay);
    const std::uint64_t steps = world_.deliveries.memory->operations();
    world_.deliveries.run(60s);
    EXPECT_LT(world_.deliveries.memory->operations() - steps, 200U) << "it looks less and less often";
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(1ms); };
    world_.deliveries.run(2h);
    EXPECT_EQ(world_.replay(1).state, track::replay_state::done);
    EXPECT_EQ(world_.replay(1).delivered, 1500U);
}

TEST_F(Replays, GoOnAfterACrash) {
    record_past(1000);
    boot_with("new");
    world_.begin(replay_world::request("new"));
    std::size_t crashes = 0;
    while (world_.deliveries.disk.replays.empty() || !world_.replay(1).ended_at) {
        world_.deliveries.run(37ms);
        world_.restart();
        ++crashes;
        ASSERT_LT(crashes, 1000U);
    }
    EXPECT_GT(crashes, 5U);
    EXPECT_EQ(world_.replay(1).delivered, 1000U);
    EXPECT_EQ(world_.replay(1).made, 1000U);
    EXPECT_EQ(world_.deliveries.log.of(log_id::replay_started).back().at("resumed"), "true");
}

TEST_F(Replays, ACancelEndsThem) {
    record_past(1000);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(150ms);
    const auto answer = world_.cancel(replay_id{1});
    const std::size_t before = attempted().size();
    world_.deliveries.run(10s);
    const track::replay_view cancelled = std::get<track::replay_view>(answer->value());
    EXPECT_EQ(cancelled.state, track::replay_state::cancelled);
    EXPECT_EQ(attempted().size(), before) << "what was attempted ends as usual, nothing else begins";
    EXPECT_EQ(world_.replay(1).made, world_.replay(1).delivered);
    EXPECT_EQ(attempted().size(), world_.replay(1).delivered);
    EXPECT_EQ(world_.deliveries.count(track::delivery_state::pending), 0U);
    EXPECT_EQ(world_.runner->running(), 0U);
    const auto line = world_.deliveries.log.of(log_id::replay_cancelled);
    ASSERT_EQ(line.size(), 1U);
    EXPECT_EQ(line[0].at("replay"), "1");
    EXPECT_NE(line[0].at("dropped"), "0");
    const auto again = world_.cancel(replay_id{1});
    world_.deliveries.run(1s);
    EXPECT_EQ(refusal(again), "replay_ended");
    const auto unknown = world_.cancel(replay_id{9});
    world_.deliveries.run(1s);
    EXPECT_EQ(refusal(unknown), "unknown_replay");
}

TEST_F(Replays, AfterACancelWhatWaitedBehindThemGoes) {
    record_past(1);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world_.deliveries.callbacks.back().retry_schedule = {1h};
    world_.deliveries.reload();
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(1s);
    world_.deliveries.emit("t1", track::event_type::reversed);
    world_.deliveries.run(1s);
    EXPECT_THAT(attempted(), ElementsAre("t1/1"));
    const steady_time start = world_.deliveries.clock.now().steady;
    world_.cancel(replay_id{1});
    world_.deliveries.run(1s);
    ASSERT_EQ(attempted().size(), 2U);
    EXPECT_EQ(world_.deliveries.sender->attempts().back().job.event_type, "transaction.reversed");
    EXPECT_EQ(world_.deliveries.sender->attempts().back().at - start, 4ms);
}

TEST_F(Replays, ACancelSparesOnlyWhatIsBeingAttempted) {
    record_past(700);
    boot_with("new").max_in_flight = 2;
    world_.deliveries.reload();
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(500ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(800ms);
    ASSERT_EQ(attempted().size(), 2U);
    const auto answer = world_.cancel(replay_id{1});
    world_.deliveries.run(10ms);
    EXPECT_EQ(std::get<track::replay_view>(answer->value()).pending, 1U);
    world_.deliveries.emit("t600", track::event_type::reversed);
    world_.deliveries.run(1min);
    EXPECT_THAT(attempted(), ElementsAre("t1/1", "t2/1", "t600/1")) << "nothing holds the new event";
    EXPECT_EQ(world_.replay(1).delivered, 2U);
    EXPECT_EQ(world_.deliveries.count(track::delivery_state::pending), 0U);
    EXPECT_EQ(world_.deliveries.driver->in_flight(), 0U);
}

/// While it is made, loaded, ready, attempted and recorded, by a receiver that takes it and one that does not.
TEST_F(Replays, ACancelAtAnyMomentLetsNothingElseBegin) {
    for (const bool is_taken : {true, false}) {
        for (milliseconds moment{0}; moment < 40ms; ++moment) {
            replay_world world;
            world.deliveries.callbacks.clear();
            world.boot();
            for (int i = 1; i <= 30; ++i) world.deliveries.emit("t" + std::to_string(i), track::event_type::completed);
            world.deliveries.run(1s);
            config::callback_config& one = world.deliveries.callback("new");
            one.max_in_flight = 4;
            one.retry_schedule = {5ms};
            world.deliveries.receiver = [is_taken](const callback::delivery_job&) {
                return is_taken ? reply_delivered(3ms) : reply_failed(500, 3ms);
            };
            world.restart();
            world.deliveries.run(1s);
            world.begin(replay_world::request("new"));
            world.deliveries.run(2ms); // its commit
            world.deliveries.run(moment);
            const auto begun = [&world] {
                std::set<std::string> events;
                for (const made_attempt& each : world.deliveries.sender->attempts()) events.insert(each.job.event_id);
                return events;
            };
            const auto before = begun();
            const auto answer = world.cancel(replay_id{1});
            world.deliveries.run(5min); // failing, it is tried every 30 s
            ASSERT_TRUE(std::holds_alternative<track::replay_view>(answer->value()));
            EXPECT_EQ(begun(), before) << moment.count() << " ms, taken: " << is_taken;
            EXPECT_EQ(world.deliveries.count(track::delivery_state::pending), 0U) << moment.count();
            EXPECT_EQ(world.deliveries.driver->in_flight(), 0U) << moment.count();
        }
    }
}

TEST_F(Replays, ACancelThatAFullDiskRefusesChangesNothing) {
    record_past(30);
    boot_with("new").max_in_flight = 2;
    world_.deliveries.reload();
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(50ms);
    world_.deliveries.memory->set_full(true);
    const auto answer = world_.cancel(replay_id{1});
    world_.deliveries.run(20s);
    EXPECT_EQ(refusal(answer), "store_unavailable");
    EXPECT_EQ(world_.replay(1).state, track::replay_state::running);
    world_.deliveries.memory->set_full(false);
    world_.deliveries.driver->on_store_state(track::store_state::ok);
    world_.deliveries.run(20s);
    EXPECT_EQ(world_.replay(1).delivered, 30U);
    EXPECT_EQ(attempted().size(), 30U);
}

TEST_F(Replays, ACancelWithinAPauseLeavesNothingForTheResume) {
    record_past(30);
    boot_with("new").max_in_flight = 2;
    world_.deliveries.reload();
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(50ms);
    const auto ignore = [](const op_result<std::monostate>&) {};
    world_.deliveries.driver->pause_callback("new", ignore);
    world_.cancel(replay_id{1}); // on its way while what is loaded still is
    world_.deliveries.run(10s);
    world_.deliveries.driver->resume_callback("new", ignore);
    world_.deliveries.run(10s);
    EXPECT_THAT(attempted(), ElementsAre("t1/1"));
    EXPECT_EQ(world_.deliveries.count(track::delivery_state::pending), 0U);
}

TEST_F(Replays, ACancelLeavesNothingToTryToAFailingCallback) {
    record_past(30);
    boot_with("new").retry_schedule = {1h};
    world_.deliveries.reload();
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_failed(); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(1s);
    const auto shown = [this] {
        return world_.deliveries.driver->views(world_.deliveries.disk.status(), world_.deliveries.clock.now().wall)
            .at(0);
    };
    ASSERT_TRUE(shown().next_try_at);
    world_.cancel(replay_id{1});
    world_.deliveries.run(1s);
    EXPECT_EQ(shown().state, callback_view::condition::failing);
    EXPECT_EQ(shown().backlog, 0U);
    EXPECT_EQ(shown().next_try_at, std::nullopt);
    world_.deliveries.receiver = nullptr;
    world_.deliveries.driver->test_callback("new", [](const callback::delivery_outcome&) {});
    world_.deliveries.run(1s);
    EXPECT_EQ(shown().state, callback_view::condition::ok);
}

TEST_F(Replays, RefuseWhatCannotBegin) {
    record_past(3);
    boot_with("new");
    const auto unknown = world_.begin(replay_world::request("other"));
    const auto own_url = world_.begin(replay_world::request("callback_url"));
    world_.begin(replay_world::request("new"));
    const auto second = world_.begin(replay_world::request("new"));
    world_.deliveries.run(10s);
    EXPECT_EQ(refusal(unknown), "unknown_callback");
    EXPECT_EQ(refusal(own_url), "unknown_callback") << "a host's transactions have no events to choose from";
    EXPECT_EQ(refusal(second), "replay_running");
    EXPECT_THAT(std::get<api::problem>(second->value()).detail, HasSubstr("replay 1 to 'new' is running"));
    EXPECT_EQ(world_.deliveries.disk.replays.size(), 1U);
}

TEST_F(Replays, AFullDiskDelaysThem) {
    record_past(3);
    boot_with("new");
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(3ms);
    world_.deliveries.memory->set_full(true);
    world_.deliveries.run(20s);
    EXPECT_TRUE(attempted().empty());
    world_.deliveries.memory->set_full(false);
    world_.deliveries.driver->on_store_state(track::store_state::ok);
    world_.deliveries.run(10s);
    EXPECT_EQ(world_.replay(1).delivered, 3U);
}

TEST_F(Replays, RunWhereTheirShardIsHeld) {
    record_past(3);
    boot_with("new");
    world_.held.reset(1);
    const auto answer = world_.begin(replay_world::request("new"));
    world_.deliveries.run(10s);
    EXPECT_EQ(std::get<track::replay_view>(answer->value()).state, track::replay_state::running);
    EXPECT_EQ(world_.runner->running(), 0U);
    EXPECT_THAT(attempted(), ElementsAre());
    EXPECT_EQ(world_.deliveries.log.count(log_id::replay_started), 0U) << "the node that runs it logs it";
    world_.held.set(1);
    world_.runner->reload();
    world_.deliveries.run(10s);
    EXPECT_THAT(attempted(), ElementsAre("t1/1", "t2/1", "t3/1"));
    EXPECT_EQ(world_.replay(1).state, track::replay_state::done);
}

TEST_F(Replays, AreLeftWhenTheirShardIs) {
    record_past(1000);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(50ms);
    ASSERT_EQ(world_.runner->running(), 1U);
    world_.held.reset(1);
    world_.runner->reload();
    world_.deliveries.run(10ms);
    EXPECT_EQ(world_.runner->running(), 0U);
    EXPECT_EQ(world_.runner->next_wake(), std::nullopt);
    EXPECT_THAT(world_.registry.serialize(), HasSubstr("prooftrackd_replays_running 0\n"));
    const std::uint64_t made = world_.replay(1).made;
    world_.deliveries.run(60s);
    EXPECT_EQ(world_.replay(1).made, made);
    world_.held.set(1);
    world_.runner->reload();
    world_.runner->reload();
    world_.deliveries.run(200s);
    EXPECT_EQ(world_.replay(1).delivered, 1000U);
}

TEST_F(Replays, AreCancelledOnAnyNode) {
    record_past(1000);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.held.reset(1);
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(50ms);
    const auto answer = world_.cancel(replay_id{1});
    world_.deliveries.run(1s);
    EXPECT_EQ(std::get<track::replay_view>(answer->value()).state, track::replay_state::cancelled);
}

TEST_F(Replays, OneThatAnotherNodeCancelledIsLeft) {
    record_past(1000);
    boot_with("new");
    world_.deliveries.receiver = [](const callback::delivery_job&) { return reply_delivered(100ms); };
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(50ms);
    track::replay_view& stored = world_.deliveries.disk.replays.at(replay_id{1});
    stored.state = track::replay_state::cancelled;
    stored.ended_at = world_.deliveries.clock.now().wall;
    world_.runner->reload();
    world_.deliveries.run(10ms);
    EXPECT_EQ(world_.runner->running(), 0U);
}

TEST_F(Replays, StopTakesNoFurtherStep) {
    record_past(1000);
    boot_with("new");
    world_.begin(replay_world::request("new"));
    world_.deliveries.run(5ms);
    world_.runner->stop();
    const std::uint64_t made = world_.replay(1).made;
    world_.deliveries.run(60s);
    EXPECT_LE(world_.replay(1).made, made + track::most_made_in_step) << "one step was under way";
    EXPECT_EQ(world_.replay(1).state, track::replay_state::running);
    EXPECT_EQ(world_.runner->next_wake(), std::nullopt);
}

} // namespace
} // namespace prooftrack::engine
