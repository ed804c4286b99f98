#include "track/busy_deliveries.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

constexpr delivery_id first{1};
constexpr delivery_id second{2};

lane_head head(delivery_id id) { return {id, 3, wall_time{}, 77}; }

struct two_taken {
    busy_deliveries busy;
    two_taken() {
        busy.take(head(first));
        busy.take(head(second));
    }
};

TEST(BusyDeliveries, ADeliveryGoesThroughItsPhases) {
    busy_deliveries busy;
    busy.take(head(first));
    EXPECT_EQ(busy.phase_of(first), delivery_phase::loading);
    EXPECT_EQ(busy.fetched(), 1U);
    busy.loaded(first);
    EXPECT_EQ(busy.phase_of(first), delivery_phase::ready);
    EXPECT_EQ(busy.fetched(), 1U);
    busy.begin(first);
    EXPECT_EQ(busy.phase_of(first), delivery_phase::attempting);
    EXPECT_EQ(busy.fetched(), 0U);
    EXPECT_EQ(busy.attempting(), 1U);
    busy.finish(first);
    EXPECT_EQ(busy.phase_of(first), delivery_phase::recording);
    EXPECT_EQ(busy.attempting(), 0U);
    EXPECT_EQ(busy.remove(first).transaction, 77U);
    EXPECT_TRUE(busy.empty());
}

TEST(BusyDeliveries, TheReadyOnesHaveTheirTurnInTheOrderOfLoading) {
    two_taken two;
    EXPECT_EQ(two.busy.first_ready(), std::nullopt);
    two.busy.loaded(second);
    two.busy.loaded(first);
    EXPECT_EQ(two.busy.first_ready(), second);
    two.busy.begin(second);
    EXPECT_EQ(two.busy.first_ready(), first);
}

TEST(BusyDeliveries, RemovingCountsOutOfEachPhase) {
    two_taken two;
    two.busy.remove(first);
    EXPECT_EQ(two.busy.fetched(), 1U) << "of loading";
    two.busy.loaded(second);
    two.busy.remove(second);
    EXPECT_EQ(two.busy.fetched(), 0U) << "of ready";
    EXPECT_EQ(two.busy.first_ready(), std::nullopt);
    two.busy.take(head(first));
    two.busy.loaded(first);
    two.busy.begin(first);
    two.busy.remove(first);
    EXPECT_EQ(two.busy.attempting(), 0U) << "of attempting";
    EXPECT_EQ(two.busy.size(), 0U);
}

TEST(BusyDeliveries, AStepThatTheTableDoesNotHaveIsABrokenInvariant) {
    two_taken two;
    EXPECT_THROW(two.busy.take(head(first)), std::logic_error);
    EXPECT_THROW(two.busy.begin(first), std::logic_error) << "it is not loaded";
    two.busy.loaded(first);
    two.busy.loaded(second);
    EXPECT_THROW(two.busy.loaded(first), std::logic_error);
    EXPECT_THROW(two.busy.begin(second), std::logic_error) << "it is not its turn";
    EXPECT_THROW(two.busy.finish(first), std::logic_error);
    EXPECT_THROW(two.busy.remove(delivery_id{3}), std::logic_error);
    EXPECT_THROW(two.busy.phase_of(delivery_id{3}), std::logic_error);
    EXPECT_EQ(two.busy.size(), 2U);
}

TEST(BusyDeliveries, ARestartComesTooLateForAnOutcomeThatIsBeingRecorded) {
    two_taken two;
    two.busy.restart(second);
    EXPECT_TRUE(two.busy.is_restarted(second));
    two.busy.loaded(first);
    two.busy.begin(first);
    two.busy.finish(first);
    two.busy.restart(first);
    EXPECT_FALSE(two.busy.is_restarted(first));
    two.busy.restart(delivery_id{3});
    EXPECT_FALSE(two.busy.contains(delivery_id{3})) << "one that is not busy needs none";
    two.busy.cancel_restart(second);
    EXPECT_FALSE(two.busy.is_restarted(second)) << "the retry was refused";
}

} // namespace
} // namespace prooftrack::track
