// The start and the stop, step by step.

#include "engine/engine_life.hpp"

#include <gtest/gtest.h>

#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

/// Ends when the test says.
class stopping_proof final : public proof::proof_client {
  public:
    void wake(std::size_t) override {}
    void call(proof::proof_call, unique_function<void(op_result<proof::proof_reply>)>) override {}
    std::size_t most_at_once() const override { return 64; }
    void retire_connections() override {}
    void reconfigure(std::shared_ptr<const proof::proof_setup>) noexcept override {}
    void stop(milliseconds, unique_function<void()> then) override { stopped = std::move(then); }

    unique_function<void()> stopped;
};

class EngineLife : public testing::Test {
  protected:
    using phase = daemon_state::phase;

    void be(bool is_running) {
        world_.reset();
        result_ = std::make_unique<call_result>();
        world_ = std::make_unique<use_case_world>(is_running);
    }
    void begin() {
        be(false);
        start(world_->life->begin(), [this, held = result_->held](const op_result<std::monostate>& begun) {
            result_->word = begun ? "ok" : "failed";
        });
    }
    /// A running daemon with one transaction stops.
    void end() {
        be(true);
        world_->track("t1");
        start(world_->life->end(proof_, milliseconds(1'000)), [this, held = result_->held] { result_->word = "ok"; });
    }

    /// The deliveries' side has stopped, Proof's side does.
    void stop_proof() {
        world_->clock.run_for(milliseconds(100));
        proof_.stopped();
    }

    std::unique_ptr<call_result> result_;
    stopping_proof proof_;
    std::unique_ptr<use_case_world> world_;
};

TEST_F(EngineLife, RunsWhenBothReadsAreDone) {
    begin();
    world_->step();
    EXPECT_EQ(world_->state.life, phase::loading);
    world_->step();
    EXPECT_EQ(result_->word, "ok");
    EXPECT_EQ(world_->state.life, phase::running);
    EXPECT_GT(world_->wakes, 0) << "the first polls are due";
    EXPECT_EQ(world_->log.count(observe::log_event_id::config_no_listener), 1U) << "nobody is told of anything";
}

TEST_F(EngineLife, AStartThatCannotReadDoesNotRun) {
    for (std::uint64_t failing = 1; failing <= 2; ++failing) {
        begin();
        world_->memory.fail_operation(failing, store::store_error::failed);
        world_->memory.pump();
        EXPECT_EQ(result_->word, "failed") << failing;
        EXPECT_EQ(world_->state.life, phase::loading) << failing;
        EXPECT_TRUE(result_->is_released());
    }
}

TEST_F(EngineLife, AStartEndsWithItsOwnerOrItsStore) {
    for (int done = 0; done < 2; ++done) {
        begin();
        for (int i = 0; i < done; ++i) world_->step();
        world_->life.reset();
        world_->memory.pump();
        EXPECT_TRUE(result_->is_released()) << done;
        begin();
        for (int i = 0; i < done; ++i) world_->step();
        world_->memory.crash();
        EXPECT_TRUE(result_->is_released()) << done;
        EXPECT_EQ(result_->word, "");
    }
}

TEST_F(EngineLife, AStopWaitsForProofAndTheDeliveriesAndClosesTheStoreLast) {
    end();
    EXPECT_EQ(world_->state.life, phase::stopping);
    world_->clock.run_for(milliseconds(100));
    world_->memory.pump();
    EXPECT_EQ(result_->word, "") << "Proof's client has not stopped";
    EXPECT_FALSE(world_->memory.closed());
    const std::uint64_t before = world_->memory.operations();
    proof_.stopped();
    EXPECT_EQ(result_->word, "");
    world_->memory.pump();
    EXPECT_EQ(world_->memory.operations() - before, 2U) << "the counters are saved, then it is closed";
    EXPECT_TRUE(world_->memory.closed());
    EXPECT_EQ(result_->word, "ok");
}

TEST_F(EngineLife, AStopGoesOnWhenTheCountersCannotBeSaved) {
    end();
    world_->memory.fail_operation(1, store::store_error::full);
    stop_proof();
    world_->memory.pump();
    EXPECT_EQ(result_->word, "ok");
}

TEST_F(EngineLife, AStopEndsWithItsOwnerOrItsStore) {
    end();
    world_->life.reset();
    stop_proof();
    world_->memory.pump();
    EXPECT_TRUE(result_->is_released());
    EXPECT_FALSE(world_->memory.closed());
    end();
    stop_proof();
    world_->memory.crash();
    EXPECT_TRUE(result_->is_released());
    EXPECT_EQ(result_->word, "");
}

TEST_F(EngineLife, AReloadWarnsWhenNothingWouldBeDelivered) {
    be(true);
    world_->life->reconfigure({});
    world_->memory.pump();
    EXPECT_EQ(world_->log.count(observe::log_event_id::config_no_listener), 1U);
    world_->disk.consumers["ledger"] = {};
    world_->life->reconfigure({});
    world_->memory.pump();
    EXPECT_EQ(world_->log.count(observe::log_event_id::config_no_listener), 1U) << "a consumer reads";
}

TEST_F(EngineLife, AReloadThatCannotReadTheConsumersWarnsOfNothing) {
    be(true);
    world_->memory.fail_operation(2, store::store_error::failed); // after the lanes' read
    world_->life->reconfigure({});
    world_->memory.pump();
    EXPECT_EQ(world_->log.count(observe::log_event_id::config_no_listener), 0U);
}

TEST_F(EngineLife, TheLimitsAreSharedAmongTheNodes) {
    be(true);
    config::configuration config;
    config.poll.max_rate = 100;
    config.callbacks.resize(2);
    config.callbacks[0].name = "ledger";
    config.callbacks[0].max_in_flight = 16;
    config.callbacks[1].name = "shop";
    config.callbacks[1].max_in_flight = 2;
    const auto in_flight = [this] {
        std::vector<std::size_t> limits;
        const callback_table& table = world_->deliveries.callbacks();
        for (const char* const name : {"ledger", "shop"})
            limits.push_back(table.settings_for(name).value().max_in_flight);
        return limits;
    };
    world_->life->reconfigure(config);
    EXPECT_EQ(in_flight(), (std::vector<std::size_t>{16, 2}));
    world_->life->share_among(3);
    EXPECT_EQ(in_flight(), (std::vector<std::size_t>{6, 1}));
    world_->life->reconfigure(config);
    EXPECT_EQ(in_flight(), (std::vector<std::size_t>{6, 1})) << "a reload does not forget it";
    EXPECT_EQ(world_->life->config().callbacks[0].max_in_flight, 16U) << "shown as configured";
    world_->life->share_among(1);
    EXPECT_EQ(in_flight(), (std::vector<std::size_t>{16, 2}));
    EXPECT_EQ(make_tracker_options(config, 3).max_rate, 34U);
    EXPECT_EQ(make_tracker_options(config, 200).max_rate, 1U);
    config.poll.max_rate = 0;
    EXPECT_EQ(make_tracker_options(config, 3).max_rate, 0U) << "no limit stays none";
}

TEST_F(EngineLife, AReloadAppliesWhatItSays) {
    be(true);
    world_->track("t1");
    const int wakes = world_->wakes;
    world_->life->on_reload_refused("poll.interval: too short");
    world_->clock.run_for(std::chrono::seconds(5));
    config::configuration config;
    config.callbacks.resize(1);
    config.callbacks.front().name = "ledger";
    config.poll.interval = {std::chrono::hours(1), std::chrono::hours(1)};
    world_->life->reconfigure(config);
    world_->memory.pump();
    EXPECT_EQ(world_->life->config(), config);
    EXPECT_EQ(world_->life->standing().since, world_->clock.now().wall);
    EXPECT_EQ(world_->life->standing().refusal, "");
    EXPECT_NE(world_->deliveries.callbacks().find("ledger"), nullptr);
    EXPECT_EQ(world_->deliveries.callbacks().find("shop"), nullptr);
    EXPECT_GT(world_->wakes, wakes);
    EXPECT_EQ(world_->log.count(observe::log_event_id::config_no_listener), 0U);
}

TEST_F(EngineLife, ARefusedReloadIsShownWithItsReasonUntilOneIsTaken) {
    be(true);
    EXPECT_EQ(world_->life->standing().refusal, "");
    world_->clock.run_for(std::chrono::seconds(5));
    world_->life->on_reload_refused("poll.interval: too short");
    EXPECT_EQ(world_->life->standing().refusal, "poll.interval: too short");
    EXPECT_EQ(world_->life->standing().since, world_->clock.now().wall);
    world_->life->on_reload_refused("");
    EXPECT_EQ(world_->life->standing().refusal, "the log has the reason");
    world_->life->reconfigure({});
    EXPECT_EQ(world_->life->standing().refusal, "");
}

/// What the engine starts with besides the defaults.
class EngineStart : public EngineLife {
  protected:
    std::size_t warnings_after_start(const config::configuration& config) {
        world_->life = std::make_unique<engine_life>(
            life_parts{
                world_->clock, world_->memory, world_->log, world_->polls, world_->deliveries, *world_->feed,
                world_->upkeep, world_->state, world_->hold},
            config, [this] { ++world_->wakes; });
        start(world_->life->begin(), [this, held = result_->held](const op_result<std::monostate>& begun) {
            result_->word = begun ? "ok" : "failed";
        });
        world_->memory.pump();
        EXPECT_EQ(result_->word, "ok");
        return world_->log.count(observe::log_event_id::config_no_listener);
    }
};

TEST_F(EngineStart, WarnsOfNothingWhereSomebodyIsTold) {
    config::configuration with_callback;
    with_callback.callbacks.resize(1);
    be(false);
    EXPECT_EQ(warnings_after_start(with_callback), 0U);
    config::configuration with_urls;
    with_urls.callback_url.allow_hosts = {"*.shop.example"};
    be(false);
    EXPECT_EQ(warnings_after_start(with_urls), 0U);
    be(false);
    world_->disk.consumers["ledger"] = {};
    EXPECT_EQ(warnings_after_start({}), 0U) << "a consumer reads";
    be(false);
    EXPECT_EQ(warnings_after_start({}), 1U);
}

TEST_F(EngineStart, LoadsWhatIsStoredAndWatched) {
    be(false);
    const wall_time now = world_->clock.now().wall;
    world_->disk.add_one({world_->id("t1"), "{}", std::nullopt, "", now, std::chrono::hours(24), {}});
    world_->add_settled("t2");
    warnings_after_start({});
    EXPECT_TRUE(world_->polls.core().find("t1").has_value());
    EXPECT_FALSE(world_->polls.core().find("t2").has_value()) << "no poll of it is planned";
}

TEST_F(EngineStart, AStopSavesTheCountersOfAllAThousandAtATime) {
    be(false);
    const wall_time now = world_->clock.now().wall;
    for (int i = 0; i < 1'001; ++i) {
        world_->disk.add_one(
            {world_->id(("t" + std::to_string(i)).c_str()), "{}", std::nullopt, "", now, std::chrono::hours(24), {}});
    }
    warnings_after_start({});
    auto ticket = world_->polls.next_poll();
    for (int waited = 0; !ticket && waited < 600; ++waited) {
        world_->clock.run_for(milliseconds(100));
        ticket = world_->polls.next_poll();
    }
    ASSERT_TRUE(ticket);
    const std::string polled = ticket->id;
    ASSERT_EQ(world_->disk.transactions.at(polled).facts.polls, 0U);
    track::poll_answer nothing_new;
    nothing_new.what = track::reply_class::server_error;
    world_->polls.on_answer(std::move(*ticket), std::move(nothing_new));
    world_->memory.pump();
    start(world_->life->end(proof_, milliseconds(1'000)), [this] { result_->word = "stopped"; });
    world_->clock.run_for(milliseconds(100));
    const std::uint64_t before = world_->memory.operations();
    proof_.stopped();
    world_->memory.pump();
    EXPECT_EQ(result_->word, "stopped");
    EXPECT_EQ(world_->memory.operations() - before, 3U) << "two parts, then it is closed";
    EXPECT_EQ(world_->disk.transactions.at(polled).facts.polls, 1U);
}

} // namespace
} // namespace prooftrack::engine
