#include <map>
#include <set>
#include <stdexcept>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(PollSchedule, TheFirstPollIsDueAtOnce) {
    tracker_fixture world;
    world.track("a");
    EXPECT_TRUE(world.core.has_poll(world.now));
    const auto poll = world.core.next_poll(world.now);
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->ticket.id, "a");
    EXPECT_EQ(poll->lateness, steady_duration(0));
    EXPECT_FALSE(world.core.next_poll(world.now)) << "one in flight an id";
}

TEST(PollSchedule, TheNextPollIsCountedFromTheStartOfTheLast) {
    tracker_fixture world;
    world.track("a");
    for (int i = 0; i < 200; ++i) {
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll);
        const steady_time started = world.now.steady;
        world.pass(milliseconds(700)); // the answer takes its time
        world.answer(*poll, reply_class::good, "pending");
        if (i == 0) world.recorded(); // the first word
        const auto next = world.core.live(*world.core.find("a"), world.now).next_poll_at;
        ASSERT_TRUE(next);
        const auto gap = *next - world.now.wall + milliseconds(700);
        EXPECT_GE(gap, milliseconds(5'000));
        EXPECT_LE(gap, milliseconds(10'000));
        EXPECT_GT(world.now.steady, started);
    }
}

TEST(PollSchedule, AnImportIsPacedAndNotAHerd) {
    tracker_fixture world;
    for (int i = 0; i < 5'000; ++i) world.track("id-" + std::to_string(i));
    int at_once = 0;
    while (world.core.next_poll(world.now)) ++at_once;
    EXPECT_EQ(at_once, 100);
    const steady_time begin = world.now.steady;
    for (int i = at_once; i < 5'000; ++i) ASSERT_TRUE(world.wait_for_poll(seconds(10)));
    EXPECT_EQ(world.now.steady - begin, milliseconds(4'900)) << "a thousand a second";
}

TEST(PollSchedule, AHugeImportIsSeenWithinTwoIntervalsAndThenEvenly) {
    constexpr int number = 100'000;
    tracker_fixture world;
    for (int i = 0; i < number; ++i)
        world.core.step(tracked_event{world.make("id-" + std::to_string(i)), false}, world.now, world.actions);
    std::set<std::uint32_t> asked;
    poll_answer unchanged;
    unchanged.what = reply_class::unchanged;
    for (int second = 0; second < 36; ++second) {
        int polls = 0;
        for (int step = 0; step < 100; ++step) {
            while (const auto poll = world.core.next_poll(world.now)) {
                ++polls;
                asked.insert(poll->ticket.slot);
                world.core.step(answered_event{poll->ticket, unchanged}, world.now, world.actions);
            }
            world.pass(milliseconds(10));
        }
        if (second < 7) {
            EXPECT_LE(polls, 1'500) << "a thousand a second, and the first ones again, in second " << second;
        } else if (second < 25) {
            EXPECT_LE(polls, number / 7.5 * 1.6) << "in second " << second;
        } else {
            EXPECT_NEAR(polls, number / 7.5, number / 7.5 * 0.15) << "in second " << second;
        }
        if (second == 15) {
            EXPECT_EQ(asked.size(), std::size_t{number});
        }
    }
}

TEST(PollSchedule, SpreadsLoadAfterRestartLongestUnseenFirst) {
    tracker_fixture world;
    std::vector<active_transaction> rows;
    for (int i = 0; i < 1'000; ++i) {
        rows.push_back(world.make("id-" + std::to_string(i)));
        rows.back().facts.last_polled_at =
            world.now.wall - minutes(10) - seconds(i); // the last one was unseen for the longest
    }
    world.load(rows);
    const steady_time begin = world.now.steady;
    std::string first;
    for (int i = 0; i < 1'000; ++i) {
        const auto poll = world.wait_for_poll(seconds(10));
        ASSERT_TRUE(poll) << i;
        if (i == 0) first = poll->ticket.id;
        EXPECT_NEAR(std::chrono::duration<double>(world.now.steady - begin).count(), 7.5 * i / 1'000, 0.02);
    }
    EXPECT_EQ(first, "id-999");
    EXPECT_LE(world.now.steady - begin, milliseconds(7'500));
}

TEST(PollSchedule, ARestartDoesNotAskSoonerThanTheCadence) {
    tracker_fixture world;
    auto row = world.make("a");
    row.facts.last_polled_at = world.now.wall - seconds(1);
    world.load({row});
    const steady_time begin = world.now.steady;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_EQ(world.now.steady - begin, seconds(4));
}

TEST(PollSchedule, LongestDueFirstAndNobodyIsAskedTwiceBefore) {
    tracker_options options;
    options.max_rate = 10;
    tracker_fixture world(options);
    for (int i = 0; i < 200; ++i) world.track("id-" + std::to_string(i));
    std::map<std::string, int> last_asked;
    for (int i = 0; i < 2'000; ++i) {
        const auto poll = world.wait_for_poll(seconds(60));
        ASSERT_TRUE(poll);
        const auto before = last_asked.find(poll->ticket.id);
        if (before != last_asked.end()) {
            // All 200 in turn, give or take what the band (5 s at 10 a second) lets one be ahead of another.
            EXPECT_GE(i - before->second, 200 - 51) << poll->ticket.id;
            EXPECT_LE(i - before->second, 200 + 51) << poll->ticket.id;
        }
        last_asked[poll->ticket.id] = i;
        world.answer(*poll, reply_class::unchanged);
    }
    EXPECT_EQ(last_asked.size(), 200U);
}

TEST(PollSchedule, MaxRateIsNeverExceeded) {
    tracker_options options;
    options.max_rate = 50;
    tracker_fixture world(options);
    for (int i = 0; i < 1'000; ++i) world.track("id-" + std::to_string(i));
    const steady_time begin = world.now.steady;
    for (int i = 0; i < 500; ++i) ASSERT_TRUE(world.wait_for_poll(seconds(30)));
    EXPECT_GE(world.now.steady - begin, milliseconds(9'900));
    EXPECT_LE(world.now.steady - begin, milliseconds(10'500));
}

TEST(PollSchedule, AHintComesWithinASecondAndAtMostOnceASecond) {
    tracker_fixture world;
    world.track("a");
    auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::good, "pending");
    world.recorded();
    const steady_time first = world.now.steady;
    world.pass(milliseconds(300));
    world.step(poll_wanted_event{*world.core.find("a")});
    poll = world.wait_for_poll(seconds(2));
    ASSERT_TRUE(poll);
    EXPECT_EQ(world.now.steady - first, seconds(1));
    world.step(poll_wanted_event{*world.core.find("a")}); // in flight: asked again after it
    world.answer(*poll, reply_class::unchanged);
    ASSERT_TRUE(world.wait_for_poll(seconds(2)));
    EXPECT_EQ(world.now.steady - first, seconds(2));
}

TEST(Tracker, NothingChangesBeforeItIsDurable) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::good, "completed");
    const auto change = world.only<change_action>();
    EXPECT_EQ(change.event, event_type::completed);
    EXPECT_EQ(change.facts.state, tracking_state::settled);
    const row_ref row = *world.core.find("a");
    EXPECT_EQ(world.core.live(row, world.now).facts.state, tracking_state::tracking);
    EXPECT_FALSE(world.core.next_poll(world.now)) << "not polled while it is recorded";
    world.recorded();
    EXPECT_EQ(world.core.live(row, world.now).facts.state, tracking_state::settled);
}

TEST(Tracker, AChangeThatWasNotRecordedNeverHappenedAndIsAskedAgain) {
    tracker_fixture world;
    world.track("a");
    auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::good, "completed");
    world.recorded(false);
    EXPECT_EQ(world.core.live(*world.core.find("a"), world.now).facts.state, tracking_state::tracking);
    poll = world.wait_for_poll(seconds(11));
    ASSERT_TRUE(poll);
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().event, event_type::completed);
}

TEST(Tracker, AReplyAfterUntrackingChangesNothing) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(untracked_event{*world.core.find("a")});
    EXPECT_EQ(world.only<change_action>().facts.state, tracking_state::untracked);
    const auto change = world.only<change_action>();
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_TRUE(world.all<change_action>().empty());
    world.step(durable(change));
    EXPECT_EQ(world.core.find("a"), std::nullopt);
}

TEST(Tracker, AnUntrackingThatCannotBeRecordedLeavesThePollInFlight) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(untracked_event{*world.core.find("a")});
    world.recorded(false); // no room on the disk
    EXPECT_EQ(world.core.in_flight(), 1U);
    EXPECT_FALSE(world.wait_for_poll(minutes(10))) << "one in flight";
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().facts.state, tracking_state::settled);
}

TEST(Tracker, AnAnswerThatComesWhileAnUntrackingFailsIsAskedForAgain) {
    tracker_fixture world;
    world.track("a");
    const auto poll = world.wait_for_poll();
    world.step(untracked_event{*world.core.find("a")});
    const auto change = world.only<change_action>();
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.core.in_flight(), 0U);
    world.step(refused(change));
    const auto next = world.wait_for_poll(minutes(1));
    ASSERT_TRUE(next);
    world.answer(*next, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().facts.state, tracking_state::settled);
}

TEST(Tracker, WhoAsksAgainAndAgainAboutAnEndedOneIsServedOnceASecond) {
    tracker_fixture world;
    active_transaction ended = world.make("a");
    ended.facts.state = tracking_state::settled;
    ended.facts.status = "failed";
    ended.facts.settled_at = world.now.wall - hours(48);
    ended.facts.last_polled_at = ended.facts.settled_at;
    ended.facts.verifications_done = 2;
    ended.facts.watched = false;
    const steady_time begin = world.now.steady;
    int polls = 0;
    while (world.now.steady - begin < seconds(10)) {
        world.step(tracked_event{ended, true});
        if (const auto poll = world.core.next_poll(world.now)) {
            world.answer(*poll, reply_class::good, "failed"); // nothing new: it leaves memory again
            for (const auto& change : world.all<change_action>()) world.step(durable(change));
            EXPECT_EQ(world.core.size(), 0U);
            ++polls;
        }
        world.pass(milliseconds(50));
    }
    EXPECT_EQ(polls, 10);
}

TEST(Tracker, OverdueComesAtItsTimeThoughNobodyAnswers) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", minutes(10)), false});
    const steady_time begin = world.now.steady;
    while (world.all<change_action>().empty()) {
        if (const auto poll = world.core.next_poll(world.now)) world.answer(*poll, reply_class::no_reply);
        if (!world.all<change_action>().empty()) break;
        const auto wake = world.core.next_wake(world.now);
        ASSERT_TRUE(wake);
        world.pass(std::chrono::ceil<milliseconds>(*wake - world.now.steady));
        world.step(woken_event{});
    }
    EXPECT_EQ(world.only<change_action>().event, event_type::overdue);
    EXPECT_EQ(world.now.steady - begin, minutes(10));
}

TEST(Tracker, ADowngradedReplyIsNotRememberedAsTheSettledOne) {
    // Its bytes, taken for the known ones, would read as "failed again" when they come back, and the later payment
    // would be missed.
    tracker_fixture world;
    world.track("a");
    auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::good, "failed");
    world.recorded();
    poll = world.wait_for_poll(minutes(11));
    ASSERT_TRUE(poll);
    world.answer(*poll, reply_class::good, "pending");
    const auto change = world.only<change_action>();
    EXPECT_TRUE(change.facts.recheck_until.has_value());
    EXPECT_FALSE(change.reply_is_good);
    world.recorded();
    poll = world.wait_for_poll(hours(2));
    ASSERT_TRUE(poll);
    EXPECT_NE(poll->ticket.known_body, std::hash<std::string>{}("pending") | 1U);
    world.answer(*poll, reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().event, event_type::reversed);
}

TEST(Tracker, AHintOutlivesTheMomentOfBecomingOverdue) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", minutes(10)), false});
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    world.pass(minutes(10) - milliseconds(500));
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    world.step(poll_wanted_event{*world.core.find("a")}); // within a second, but the deadline is sooner
    world.pass(milliseconds(500));
    world.step(woken_event{});
    world.recorded();
    const steady_time begin = world.now.steady;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_LE(world.now.steady - begin, seconds(1)) << "not in an hour";
}

TEST(Tracker, AnOutageDoesNotUseAVerificationUp) {
    tracker_options options;
    options.rules.verify_after = {minutes(10)};
    tracker_fixture world(options);
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "failed");
    world.recorded();
    for (const steady_time end = world.now.steady + hours(3); world.now.steady < end;) {
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll) << "the payment that came after the failure would never be found";
        world.answer(*poll, reply_class::no_reply);
    }
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    EXPECT_EQ(world.only<change_action>().event, event_type::reversed);
}

TEST(Tracker, ANewBodyAtAVerificationIsKept) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    for (int i = 0; i < 2; ++i) { // also at the last one
        poll_answer reply;
        reply.what = reply_class::good;
        reply.status = "completed";
        reply.body = "the same word, another crypto_amount";
        reply.body_hash = 77 + static_cast<std::uint64_t>(i);
        const auto poll = world.wait_for_poll(hours(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply);
        const auto change = world.only<change_action>();
        EXPECT_TRUE(change.reply_is_good);
        EXPECT_FALSE(change.is_history || change.event.has_value());
        world.recorded();
    }
}

TEST(Tracker, ANewTailIntervalHoldsForThoseWhoWait) {
    tracker_fixture world;
    world.step(tracked_event{world.make("a", seconds(1)), false});
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    world.pass(seconds(1));
    world.step(woken_event{});
    world.recorded(); // overdue: in an hour
    tracker_options options;
    options.rules.tail_interval = minutes(1);
    world.step(options_changed_event{options});
    const steady_time begin = world.now.steady;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_LE(world.now.steady - begin, minutes(1));
}

TEST(Tracker, ASettledOneLeavesMemoryAfterItsLastVerification) {
    tracker_fixture world;
    world.track("a");
    auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::good, "completed");
    world.recorded();
    for (int i = 0; i < 2; ++i) {
        poll = world.wait_for_poll(hours(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply_class::unchanged);
        world.recorded();
    }
    EXPECT_EQ(world.core.size(), 0U);
    EXPECT_EQ(world.core.next_wake(world.now), std::nullopt);
}

int repeats_allowed(tracker_fixture& world) {
    int allowed = 0;
    while (world.core.may_repeat()) ++allowed;
    return allowed;
}

TEST(Tracker, AtMostOneInTenPollsIsARepeat) {
    tracker_fixture world;
    EXPECT_EQ(repeats_allowed(world), most_saved_repeats);
    for (int i = 0; i < 100; ++i) world.track("id-" + std::to_string(i));
    int repeats = 0;
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(world.wait_for_poll());
        repeats += world.core.may_repeat() ? 1 : 0;
    }
    EXPECT_LE(repeats, 11);
    EXPECT_GE(repeats, 9);
}

TEST(Tracker, RepeatsAreSavedUpToABound) {
    tracker_fixture world;
    for (int i = 0; i < 10; ++i) world.core.may_repeat();
    for (int i = 0; i < 200; ++i) world.track("id-" + std::to_string(i));
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(world.wait_for_poll());
    EXPECT_EQ(repeats_allowed(world), most_saved_repeats);
}

TEST(Tracker, BehindIsSaidWithWhatIsWantedAndMade) {
    tracker_options options;
    options.max_rate = 10;
    tracker_fixture world(options);
    for (int i = 0; i < 1'000; ++i) world.track("id-" + std::to_string(i));
    std::vector<behind_action> said;
    for (int i = 0; i < 90; ++i) {
        while (auto poll = world.core.next_poll(world.now)) world.answer(*poll, reply_class::unchanged);
        world.pass(seconds(1));
        world.step(woken_event{});
        for (const auto& one : world.all<behind_action>()) said.push_back(one);
    }
    ASSERT_EQ(said.size(), 2U) << "at most once a minute";
    EXPECT_NEAR(said[0].wanted, 1'000 / 7.5, 1);
    EXPECT_FALSE(said[0].facts.awaits_store);
    EXPECT_TRUE(said[0].facts.is_at_ceiling);
    EXPECT_EQ(world.core.needed_at_once(world.now), 8U) << "ten a second that are answered at once";
}

/// Tracked without the fixture's check of everything at each step.
void track_many(tracker_fixture& world, std::size_t number, milliseconds overdue_after = std::chrono::hours(24)) {
    for (std::size_t i = 0; i < number; ++i)
        world.core.step(
            tracked_event{world.make("id-" + std::to_string(i), overdue_after), false}, world.now, world.actions);
    world.pass(seconds(10)); // the first polls are paced
}

TEST(Tracker, NothingIsAskedWhileTooManyChangesWaitForTheStore) {
    tracker_fixture world;
    track_many(world, most_unrecorded + 2);
    for (std::size_t i = 0; i < most_unrecorded; ++i) {
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll) << i;
        poll_answer first;
        first.what = reply_class::good;
        first.status = "pending";
        first.body_hash = 1;
        world.core.step(answered_event{poll->ticket, first}, world.now, world.actions);
    }
    const auto changes = world.all<change_action>();
    ASSERT_EQ(changes.size(), most_unrecorded);
    EXPECT_FALSE(world.core.next_poll(world.now));
    EXPECT_FALSE(world.core.next_wake(world.now)) << "no wake before one is recorded: it would find nothing to do";
    std::vector<behind_action> said;
    for (int i = 0; i < 10; ++i) {
        world.pass(seconds(1));
        world.step(woken_event{});
        for (const auto& one : world.all<behind_action>()) said.push_back(one);
    }
    ASSERT_EQ(said.size(), 1U);
    EXPECT_TRUE(said[0].facts.awaits_store);
    world.step(durable(changes[0]));
    EXPECT_TRUE(world.core.next_poll(world.now)) << "one recorded, one asked";
}

TEST(Tracker, ManyDeadlinesAtOnceWaitForTheStore) {
    tracker_fixture world;
    track_many(world, most_unrecorded + 2, minutes(1));
    world.pass(minutes(1));
    world.actions.clear();
    world.core.step(woken_event{}, world.now, world.actions);
    const auto changes = world.all<change_action>();
    ASSERT_EQ(changes.size(), most_unrecorded);
    world.step(durable(changes[0]));
    EXPECT_EQ(world.only<change_action>().facts.state, tracking_state::overdue);
}

TEST(Tracker, ARowThatHasGoneCannotBeNamed) {
    tracker_fixture world;
    world.track("a");
    const row_ref first = *world.core.find("a");
    world.step(untracked_event{first});
    const auto change = world.only<change_action>();
    EXPECT_THROW(world.step(untracked_event{first}), std::logic_error) << "its tracking ends already";
    world.step(durable(change));
    ASSERT_FALSE(world.core.find("a"));
    world.track("b");
    ASSERT_EQ(world.core.find("b")->slot, first.slot);
    EXPECT_THROW(world.core.live(first, world.now), std::logic_error);
    EXPECT_THROW(world.core.may_untrack(first), std::logic_error);
    EXPECT_THROW(world.core.is_recording(first), std::logic_error);
    EXPECT_THROW(world.step(untracked_event{first}), std::logic_error);
    EXPECT_THROW(world.step(poll_wanted_event{first}), std::logic_error);
    EXPECT_THROW(world.core.recording_change(*world.core.find("b")), std::logic_error) << "it records none";
}

} // namespace
} // namespace prooftrack::track
