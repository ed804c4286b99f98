// A call beside an answer in flight, in every order: whoever is committed first wins, and the other one looks again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/held_engine.hpp"

namespace prooftrack::sim {
namespace {

using std::chrono::hours;
using testing::ElementsAre;

TEST(Race, ATransactionPostedAgainWhileItsEndIsInFlightEndsOnce) {
    held_engine world;
    world.abandon("a");
    world.poll("a");
    world.memory.pump();
    world.run_until_asked();
    const auto posted = world.track("a"); // committed first ...
    world.proof.answer("completed");      // ... and this was judged for the abandoned row
    world.memory.pump();
    EXPECT_EQ(*posted, "201");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::tracking);
    world.run_until_asked();
    world.proof.answer("completed");
    world.run(hours(1));
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed));
    EXPECT_EQ(world.stored("a").state, track::tracking_state::settled);
}

TEST(Race, AnEndThatIsCommittedBeforeThePostIsTheAnswerToIt) {
    held_engine world;
    world.abandon("a");
    world.poll("a");
    world.memory.pump();
    world.run_until_asked();
    world.proof.answer("completed");
    const auto posted = world.track("a");
    world.memory.pump();
    EXPECT_EQ(*posted, "200");
    world.run(hours(1));
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed));
}

TEST(Race, AnAcknowledgedPostIsNotUndoneByAStaleAnswer) {
    held_engine world;
    world.abandon("a");
    world.poll("a");
    world.memory.pump();
    world.run_until_asked();
    const auto posted = world.track("a");
    world.proof.answer("processing");
    world.memory.pump();
    EXPECT_EQ(*posted, "201");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::tracking);
    EXPECT_TRUE(world.stored("a").watched) << "a start would not load it, and nobody would ask again";
    world.run_until_asked();
    world.proof.answer("completed");
    world.memory.pump();
    EXPECT_EQ(world.stored("a").state, track::tracking_state::settled);
}

TEST(Race, AnAnswerInFlightAtThePostCountsForTheNewTracking) {
    held_engine world;
    world.abandon("a");
    world.poll("a");
    world.memory.pump();
    world.run_until_asked();
    const auto posted = world.track("a");
    world.memory.pump();
    EXPECT_EQ(*posted, "201");
    world.run(std::chrono::seconds(30)); // held_proof throws at a second poll in flight
    world.proof.answer("completed");
    world.memory.pump();
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed));
}

TEST(Race, UntrackedAndPostedAgainWhileItIsAskedItIsTrackedAnew) {
    held_engine world;
    world.track("a");
    world.run_until_asked();
    const auto ended = world.untrack("a");
    const auto posted = world.track("a");
    world.memory.pump();
    EXPECT_EQ(*ended, "200");
    EXPECT_EQ(*posted, "201");
    world.run(std::chrono::seconds(30));
    world.proof.answer("pending");
    world.memory.pump();
    world.run_until_asked();
    world.proof.answer("completed");
    world.memory.pump();
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed));
}

TEST(Race, ADeleteRightBehindThePostEndsIt) {
    held_engine world;
    const auto posted = world.track("a");
    const auto ended = world.untrack("a"); // the POST is not committed yet
    world.memory.pump();
    EXPECT_EQ(*posted, "201");
    EXPECT_EQ(*ended, "200");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::untracked);
}

TEST(Race, ADeleteOfOneThatIsBeingTrackedAnewEndsTheNewTracking) {
    held_engine world;
    world.abandon("a");
    world.poll("a");
    world.memory.pump();
    world.run_until_asked();
    const auto posted = world.track("a");
    world.proof.answer("processing");      // its change will be stale
    const auto ended = world.untrack("a"); // waits for that change
    world.memory.pump();
    EXPECT_EQ(*posted, "201");
    world.run(std::chrono::seconds(1));
    EXPECT_EQ(*ended, "200");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::untracked);
}

TEST(Race, APollRightBehindThePostIsServed) {
    held_engine world;
    world.track("a");
    const auto asked = world.poll("a");
    world.memory.pump();
    EXPECT_EQ(*asked, "202");
}

TEST(Race, APollBesideAnUntrackingIsRefusedWithIt) {
    held_engine world;
    world.track("a");
    world.memory.pump();
    const auto ended = world.untrack("a");
    const auto asked = world.poll("a");
    const auto hinted = world.hint("a");
    EXPECT_EQ(*asked, "") << "what the untracking comes to decides";
    world.memory.pump();
    EXPECT_EQ(*ended, "200");
    EXPECT_EQ(*asked, "already_ended");
    EXPECT_EQ(*hinted, "unknown_transaction");
}

TEST(Race, APollBesideAnUntrackingThatCannotBeRecordedIsServed) {
    held_engine world;
    world.track("a");
    world.memory.pump();
    world.memory.set_full(true);
    const auto ended = world.untrack("a");
    const auto asked = world.poll("a");
    world.memory.pump();
    EXPECT_EQ(*ended, "store_unavailable");
    EXPECT_EQ(*asked, "202");
}

TEST(Race, TwoDeletesAtOnceEndItOnce) {
    held_engine world;
    world.track("a");
    world.memory.pump();
    const auto first = world.untrack("a");
    const auto second = world.untrack("a");
    world.memory.pump();
    EXPECT_EQ(*first, "200");
    EXPECT_EQ(*second, "already_ended");
}

TEST(Audit, AChangeIsLoggedOnceItsOutcomeIsKnown) {
    held_engine world;
    world.track("a");
    EXPECT_EQ(world.log.count(observe::log_event_id::api_change), 0U);
    world.memory.pump();
    world.untrack("a");
    EXPECT_EQ(world.log.count(observe::log_event_id::api_change), 1U);
    world.memory.pump();
    world.poll("a");
    world.poll("unknown");
    world.memory.pump();
    const auto lines = world.log.of(observe::log_event_id::api_change);
    ASSERT_EQ(lines.size(), 4U);
    EXPECT_EQ(lines[1].at("result"), "done");
    EXPECT_EQ(lines[2].at("action"), "poll");
    EXPECT_EQ(lines[2].at("result"), "already_ended");
    EXPECT_EQ(lines[3].at("result"), "unknown_transaction");
}

TEST(Race, AnUntrackAtTheInstantOfTheDeadlineAndOfASetClockEndsTheTracking) {
    held_engine world;
    world.track("a", "{}", seconds(2));
    world.memory.pump();
    world.run_until_asked();
    world.proof.answer("pending"); // asked again in five seconds at the earliest
    world.memory.pump();
    held_engine::fate reported;
    const milliseconds left = world.stored("a").overdue_at - world.clock.now().wall;
    world.clock.after(left, [&] { // before anything else looks at the clock
        world.clock.jump_wall(seconds(-100));
        reported = world.untrack("a");
    });
    world.run(left + seconds(1));
    world.memory.pump();
    ASSERT_TRUE(reported);
    EXPECT_EQ(*reported, "200");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::untracked);
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::overdue));
}

TEST(Race, AnEndThatIsJudgedBesideNewOptionsIsAskedForAgainAndCarriesThem) {
    held_engine world;
    world.track("a", R"({"n":1})");
    world.run_until_asked();
    const auto set = world.set_metadata("a", R"({"n":2})");
    ASSERT_EQ(world.memory.commit(), 1U); // the row is read ...
    world.memory.answer_one();            // ... and the new options go to the store
    world.proof.answer("completed");      // judged for the row before
    world.memory.pump();
    EXPECT_EQ(*set, "200");
    EXPECT_EQ(world.stored("a").state, track::tracking_state::tracking);
    world.run_until_asked();
    world.proof.answer("completed");
    world.run(hours(1));
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed));
    EXPECT_THAT(*world.disk.events.begin()->second.body, testing::HasSubstr(R"("metadata":{"n":2})"));
}

TEST(Race, AnEndThatIsCommittedBeforeTheNewOptionsKeepsTheOldOnes) {
    held_engine world;
    world.track("a", R"({"n":1})");
    world.run_until_asked();
    world.proof.answer("completed");
    const auto set = world.set_metadata("a", R"({"n":2})");
    world.memory.pump();
    EXPECT_EQ(*set, "200");
    EXPECT_THAT(*world.disk.events.begin()->second.body, testing::HasSubstr(R"("metadata":{"n":1})"));
    EXPECT_EQ(world.disk.transactions.at("a").metadata, R"({"n":2})");
}

TEST(Race, NewOptionsWhileItIsAskedLetTheAnswerCount) {
    held_engine world;
    world.track("a", R"({"n":1})");
    world.run_until_asked();
    const auto set = world.set_metadata("a", R"({"n":2})");
    world.memory.pump();
    EXPECT_EQ(*set, "200");
    world.proof.answer("completed");
    world.memory.pump();
    EXPECT_THAT(world.events_of("a"), ElementsAre(track::event_type::completed)) << "it is not asked again";
    EXPECT_EQ(world.proof.polls, 1U);
}

} // namespace
} // namespace prooftrack::sim
