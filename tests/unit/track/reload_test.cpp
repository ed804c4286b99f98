// What a reload makes of transactions that are being asked about.

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

tracker_options verified_after(std::vector<milliseconds> times) {
    tracker_options options;
    options.rules.verify_after = std::move(times);
    return options;
}

void settle(tracker_fixture& world, const std::string& id, const std::string& word) {
    world.track(id);
    world.answer(*world.wait_for_poll(), reply_class::good, word);
    world.recorded();
}

TEST(Reload, OneThatLosesItsTimesOfVerificationIsNoLongerWatchedInTheStoreEither) {
    tracker_fixture world(verified_after({minutes(10)}));
    settle(world, "a", "completed");
    world.step(options_changed_event{verified_after({})});
    const auto poll = world.wait_for_poll(hours(1));
    ASSERT_TRUE(poll) << "it was forgotten, and its row stays watched for ever";
    world.answer(*poll, reply_class::unchanged);
    EXPECT_FALSE(world.only<change_action>().facts.watched);
    world.recorded();
    EXPECT_EQ(world.core.size(), 0U);
}

TEST(Reload, OneThatIsLoadedWithoutATimeOfVerificationIsNoLongerWatchedInTheStoreEither) {
    tracker_fixture world(verified_after({}));
    active_transaction settled = world.make("a");
    settled.facts.state = tracking_state::settled;
    settled.facts.status = "completed";
    settled.facts.settled_at = world.now.wall;
    world.load({settled});
    const auto poll = world.wait_for_poll(minutes(1));
    ASSERT_TRUE(poll);
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_FALSE(world.only<change_action>().facts.watched);
}

TEST(Reload, AReversalThatCouldNotBeRecordedIsAskedAgainThroughAReload) {
    tracker_fixture world(verified_after({minutes(10)}));
    settle(world, "a", "failed");
    world.answer(*world.wait_for_poll(hours(1)), reply_class::good, "completed");
    world.recorded(false); // the disk is full
    world.step(options_changed_event{verified_after({})});
    const auto poll = world.wait_for_poll(minutes(5));
    ASSERT_TRUE(poll) << "Proof said completed, and nobody is told";
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().event, event_type::reversed);
}

/// A full disk, and then a long outage: Proof's word was heard, so it is not given up for the errors.
TEST(Reload, AReversalThatCouldNotBeRecordedOutlivesAnyNumberOfErrors) {
    tracker_fixture world(verified_after({minutes(10)}));
    settle(world, "a", "failed");
    world.answer(*world.wait_for_poll(hours(1)), reply_class::good, "completed");
    world.recorded(false);
    for (const steady_time end = world.now.steady + hours(50); world.now.steady < end;) {
        const auto poll = world.wait_for_poll(hours(1));
        ASSERT_TRUE(poll) << "nobody asks any more";
        world.answer(*poll, reply_class::server_error);
        ASSERT_TRUE(world.all<change_action>().empty());
    }
    world.answer(*world.wait_for_poll(hours(1)), reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().event, event_type::reversed);
}

} // namespace
} // namespace prooftrack::track
