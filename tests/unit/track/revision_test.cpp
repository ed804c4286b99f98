// A change is bound to the revision of the row that it was judged for, and a poll in flight to its id.

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

active_transaction make_long_abandoned(const tracker_fixture& world, const std::string& id) {
    active_transaction ended = world.make(id);
    ended.facts.state = tracking_state::abandoned;
    ended.facts.status = "pending";
    ended.facts.tracked_at = world.now.wall - hours(24 * 40);
    ended.facts.watched = false;
    ended.revision = row_revision{7};
    return ended;
}

active_transaction make_anew(const tracker_fixture& world, const std::string& id, std::uint32_t revision) {
    active_transaction fresh = world.make(id);
    fresh.revision = row_revision{revision};
    return fresh;
}

TEST(Revision, AChangeCarriesTheOneOfItsRowAndTheNextChangeTheRaisedOne) {
    tracker_fixture world;
    world.step(tracked_event{make_anew(world, "a", 4), false});
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{4});
    world.recorded();
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{5});
}

TEST(Revision, AStaleChangeHasTheRowLoadedAndProofAskedAgain) {
    tracker_fixture world;
    world.step(tracked_event{make_long_abandoned(world, "a"), true});
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    const auto change = world.only<change_action>();
    world.step(stale(change));
    const auto reload = world.only<reload_action>();
    EXPECT_EQ(reload.id, change.id);
    EXPECT_FALSE(world.wait_for_poll(hours(1))) << "not before the row is known";
    world.step(reloaded_event{reload.slot, reload.number, make_anew(world, "a", 8)});
    const auto poll = world.wait_for_poll(seconds(2));
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->ticket.known_body, 0U);
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{8});
    EXPECT_EQ(world.only<change_action>().from_state, tracking_state::tracking);
}

TEST(Revision, ARowThatIsGoneFromTheStoreLeavesMemory) {
    tracker_fixture world;
    world.step(tracked_event{make_long_abandoned(world, "a"), true});
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.step(stale(world.only<change_action>()));
    const auto reload = world.only<reload_action>();
    world.step(reloaded_event{reload.slot, reload.number, std::nullopt});
    EXPECT_EQ(world.core.size(), 0U);
}

TEST(Revision, ARowThatWasUntrackedMeanwhileLeavesMemory) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a"), false});
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.step(stale(world.only<change_action>()));
    const auto reload = world.only<reload_action>();
    active_transaction untracked = make_anew(world, "a", 9);
    untracked.facts.state = tracking_state::untracked;
    untracked.facts.watched = false;
    world.step(reloaded_event{reload.slot, reload.number, untracked});
    EXPECT_EQ(world.core.size(), 0U);
}

TEST(Revision, AReloadThatFailedIsTriedWithTheNextChange) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a"), false});
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    const auto change = world.only<change_action>();
    world.step(stale(change));
    world.step(refused(change)); // the store could not read
    const auto poll = world.wait_for_poll(minutes(1));
    ASSERT_TRUE(poll);
    world.answer(*poll, reply_class::good, "pending");
    world.step(stale(world.only<change_action>()));
    EXPECT_EQ(world.all<reload_action>().size(), 1U);
}

TEST(Revision, TheResultOfAChangeOfAnEarlierTrackingEndsNoOther) {
    tracker_fixture world;
    world.step(tracked_event{make_long_abandoned(world, "a"), true});
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    const auto old = world.only<change_action>();
    world.step(tracked_event{make_anew(world, "a", 8), false}); // its POST was committed before that change
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    const auto change = world.only<change_action>();
    EXPECT_EQ(change.revision, row_revision{8});
    world.step(stale(old));
    EXPECT_TRUE(world.actions.empty());
    ASSERT_TRUE(world.core.find("a"));
    EXPECT_TRUE(world.core.is_recording(*world.core.find("a")));
    world.step(durable(change));
    EXPECT_FALSE(world.core.is_recording(*world.core.find("a")));
}

TEST(Revision, OneThatIsTrackedAnewWhileItIsAskedWaitsForThatAnswer) {
    tracker_fixture world;
    world.step(tracked_event{make_long_abandoned(world, "a"), true});
    const auto poll = world.wait_for_poll();
    world.step(tracked_event{make_anew(world, "a", 8), false});
    EXPECT_FALSE(world.wait_for_poll(seconds(9))) << "one in flight an id";
    world.answer(*poll, reply_class::good, "processing");
    const auto change = world.only<change_action>();
    EXPECT_EQ(change.revision, row_revision{8});
    EXPECT_EQ(change.facts.state, tracking_state::tracking);
    world.step(durable(change));
    EXPECT_TRUE(world.wait_for_poll(seconds(11)));
}

TEST(Revision, AnUnchangedReplySaysNothingOfARowThatWasReplacedSinceItWasAsked) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "failed");
    world.recorded();
    const auto poll = world.wait_for_poll(minutes(11));
    ASSERT_TRUE(poll);
    ASSERT_NE(poll->ticket.known_body, 0U);
    world.step(tracked_event{make_anew(world, "a", 8), false});
    world.answer(*poll, reply_class::unchanged);
    EXPECT_TRUE(world.all<change_action>().empty());
    const auto again = world.wait_for_poll(seconds(2));
    ASSERT_TRUE(again);
    EXPECT_EQ(again->ticket.known_body, 0U);
}

TEST(Revision, OneThatIsUntrackedAndTrackedAnewWhileItIsAskedIsNotAskedTwiceAtOnce) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(untracked_event{*world.core.find("a")});
    world.recorded();
    EXPECT_EQ(world.core.find("a"), std::nullopt);
    world.step(tracked_event{make_anew(world, "a", 3), false});
    EXPECT_FALSE(world.wait_for_poll(seconds(9)));
    world.answer(*poll, reply_class::good, "pending");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{3});
}

TEST(Revision, AnUntrackedOneLeavesMemoryWithItsLastAnswer) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(untracked_event{*world.core.find("a")});
    world.recorded();
    EXPECT_TRUE(world.core.all(world.now).empty()) << "a stop writes nothing over it";
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_TRUE(world.all<change_action>().empty());
    EXPECT_EQ(world.core.size(), 0U);
    EXPECT_EQ(world.core.in_flight(), 0U);
}

TEST(Revision, APollThatWasPromisedWhileTheLastAnswerWasInFlightIsMade) {
    tracker_options options;
    options.rules.verify_after = {};
    tracker_fixture world(options);
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(poll_wanted_event{*world.core.find("a")});
    world.answer(*poll, reply_class::good, "completed");
    world.recorded();
    const auto once_more = world.wait_for_poll(seconds(2));
    ASSERT_TRUE(once_more);
    world.answer(*once_more, reply_class::good, "completed");
    EXPECT_EQ(world.core.size(), 0U);
}

TEST(Revision, APollThatWasPromisedBeforeAnUntrackingIsMadeWhenTheStoreRefusesIt) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.recorded();
    world.step(poll_wanted_event{*world.core.find("a")});
    world.step(untracked_event{*world.core.find("a")});
    world.recorded(false);
    ASSERT_TRUE(world.wait_for_poll(seconds(2)));
    EXPECT_FALSE(world.wait_for_poll(seconds(9))) << "one was promised";
}

TEST(Revision, APollThatWasPromisedWhileOneWasInFlightIsMadeWhenTheRowIsReplaced) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(poll_wanted_event{*world.core.find("a")});
    world.step(untracked_event{*world.core.find("a")});
    world.step(stale(world.only<change_action>()));
    const auto reload = world.only<reload_action>();
    world.step(reloaded_event{reload.slot, reload.number, make_anew(world, "a", 8)});
    world.answer(*poll, reply_class::good, "pending");
    world.recorded();
    EXPECT_TRUE(world.wait_for_poll(seconds(2)));
}

TEST(Revision, ATrackingThatBeginsRightAfterAPollOfItsIdKeepsTheSecondBetweenThem) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    const steady_time started = world.now.steady;
    world.answer(*poll, reply_class::good, "pending");
    world.recorded();
    world.step(untracked_event{*world.core.find("a")});
    world.recorded();
    world.step(tracked_event{make_anew(world, "a", 4), false});
    ASSERT_TRUE(world.wait_for_poll(seconds(2)));
    EXPECT_GE(world.now.steady - started, seconds(1));
}

TEST(Revision, OneThatGotOtherOptionsHasItsNextChangeForTheNewRevision) {
    tracker_fixture world;
    world.step(tracked_event{make_anew(world, "a", 4), false});
    const row_ref row = *world.core.find("a");
    EXPECT_EQ(world.core.revision(row), row_revision{4});
    EXPECT_TRUE(world.step(revised_event{row, row_revision{4}, row_revision{5}}).empty());
    EXPECT_EQ(world.core.revision(row), row_revision{5});
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{5});
}

TEST(Revision, ARowThatIsAnotherOneAlreadyKeepsItsOwn) {
    tracker_fixture world;
    world.step(tracked_event{make_anew(world, "a", 8), false});
    world.step(revised_event{*world.core.find("a"), row_revision{4}, row_revision{5}});
    EXPECT_EQ(world.core.revision(*world.core.find("a")), row_revision{8});
}

TEST(Revision, AChangeOnItsWayWhenTheOptionsWereSetComesBackAsStaleAndIsAskedForAgain) {
    tracker_fixture world;
    world.step(tracked_event{make_anew(world, "a", 4), false});
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    const auto change = world.only<change_action>();
    world.step(revised_event{*world.core.find("a"), row_revision{4}, row_revision{5}});
    world.step(stale(change));
    const auto reload = world.only<reload_action>();
    world.step(reloaded_event{reload.slot, reload.number, make_anew(world, "a", 5)});
    world.answer(*world.wait_for_poll(seconds(2)), reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().revision, row_revision{5});
}

} // namespace
} // namespace prooftrack::track
