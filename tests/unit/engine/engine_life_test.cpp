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

} // namespace
} // namespace prooftrack::engine
