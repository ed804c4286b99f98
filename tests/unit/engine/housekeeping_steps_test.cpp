// What housekeeping has begun, when a step of it fails and when its owner goes.

#include "use_case_world.hpp"

#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;

/// A minute after the start with a full disk: a heartbeat (two reads), a probe and a look at the space.
class HousekeepingSteps : public testing::Test {
  protected:
    static constexpr std::size_t operations = 4;

    void wake() {
        world_.clock.run_for(61s);
        house_->on_wake(world_.clock.now());
    }
    std::size_t beats() const { return world_.log.count(observe::log_event_id::daemon_heartbeat); }

    use_case_world world_;
    std::unique_ptr<housekeeping> house_ = make();

  private:
    std::unique_ptr<housekeeping> make() {
        auto made = std::make_unique<housekeeping>(
            housekeeping::surroundings{
                world_.clock, world_.memory, world_.log, world_.counts, world_.polls, world_.deliveries, *world_.feed},
            [] {});
        made->start(world_.clock.now(), {});
        made->on_store_state(track::store_state::full);
        return made;
    }
};

TEST_F(HousekeepingSteps, GoesOnAfterAStepThatFailed) {
    for (std::size_t failing = 1; failing <= operations; ++failing) {
        world_.log.clear();
        wake();
        world_.memory.fail_operation(failing, store::store_error::full);
        world_.memory.pump();
        EXPECT_EQ(beats(), failing == 1 || failing == operations ? 0U : 1U) << "step " << failing;
        world_.log.clear();
        const std::uint64_t before = world_.memory.operations();
        wake();
        world_.memory.pump();
        EXPECT_EQ(beats(), 1U) << "after step " << failing;
        EXPECT_EQ(world_.memory.operations() - before, operations) << "nothing waits for the step that failed";
    }
}

TEST_F(HousekeepingSteps, WhatItHasBegunEndsWithIt) {
    wake();
    for (std::size_t done = 0; done + 1 < operations; ++done) world_.step();
    house_.reset();
    world_.memory.pump();
    EXPECT_EQ(beats(), 0U);
}

} // namespace
} // namespace prooftrack::engine
