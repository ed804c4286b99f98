#include <map>
#include <set>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::minutes;

/// A tracker with `count` transactions that were all seen once.
class seen_world : public tracker_fixture {
  public:
    explicit seen_world(int count, tracker_options options = {}) : tracker_fixture(std::move(options)) {
        std::vector<active_transaction> rows;
        for (int i = 0; i < count; ++i) {
            rows.push_back(make("id-" + std::to_string(i)));
            rows.back().facts.last_polled_at = now.wall;
        }
        load(std::move(rows));
        for (std::set<std::string> seen; seen.size() < static_cast<std::size_t>(count);) {
            const auto poll = wait_for_poll();
            seen.insert(poll->ticket.id);
            answer(*poll, reply_class::unchanged);
        }
    }
    health_action fail_until_change(reply_class what) {
        for (int i = 0; i < 3'000; ++i) {
            actions.clear();
            const auto poll = wait_for_poll(seconds(20));
            if (!all<health_action>().empty()) { // by the passing of time
                auto change = only<health_action>();
                if (poll) answer(*poll, what); // the first probe
                return change;
            }
            if (!poll) break;
            answer(*poll, what);
            if (!all<health_action>().empty()) return only<health_action>();
        }
        throw std::logic_error("Proof's health did not change");
    }
};

TEST(ProofHealth, BeforeAnAnswerItSaysSoAndLaterWhyThereIsNone) {
    tracker_fixture world;
    EXPECT_EQ(world.core.health().standing(), "not asked yet");
    world.track("a");
    poll_answer refusal;
    refusal.what = reply_class::unauthorized;
    refusal.error = "401 invalid_token";
    refusal.message = "The client token is not valid";
    world.answer(*world.wait_for_poll(), refusal);
    if (!world.all<change_action>().empty()) world.recorded(); // a first answer is, whatever it says
    const std::string why = world.core.health().standing();
    EXPECT_NE(why.find("401 invalid_token: The client token is not valid"), std::string::npos) << why;
    EXPECT_EQ(world.core.health().detail().find("token is not valid"), std::string::npos)
        << "the log has the code alone";
    for (int i = 0; i < 10 && !world.core.health().standing().empty(); ++i) {
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll) << world.core.health().standing();
        world.answer(*poll, reply_class::good, "pending");
        if (!world.all<change_action>().empty()) world.recorded();
    }
    EXPECT_EQ(world.core.health().standing(), "");
}

TEST(ProofHealth, OpenOnesAreCountedWithoutThoseThatWaitForVerification) {
    tracker_fixture world;
    world.track("a");
    world.track("b");
    EXPECT_EQ(world.core.open(), 2U);
    world.answer(*world.wait_for_poll(), reply_class::good, "completed");
    world.recorded();
    EXPECT_EQ(world.core.size(), 2U) << "it is asked again for verify_after";
    EXPECT_EQ(world.core.open(), 1U);
}

TEST(ProofHealth, A429PausesEverybodyForRetryAfterAndThenStartsSlowly) {
    seen_world world(1'000);
    const auto poll = world.wait_for_poll();
    poll_answer reply;
    reply.what = reply_class::throttled;
    reply.retry_after = seconds(7);
    world.answer(*poll, reply);
    EXPECT_EQ(world.only<health_action>().to, health_kind::throttled);
    EXPECT_EQ(world.only<health_action>().pause, seconds(7));
    const steady_time begin = world.now.steady;
    int polls = 0;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_GE(world.now.steady - begin, seconds(7));
    for (const steady_time end = world.now.steady + seconds(1); world.now.steady < end; ++polls) {
        const auto next = world.wait_for_poll();
        world.answer(*next, reply_class::unchanged);
    }
    EXPECT_LE(polls, 50) << "an eighth of 133 a second, doubling";
}

TEST(ProofHealth, ThrottledEndsWhenTheDemandIsMetAgain) {
    seen_world world(100);
    const auto poll = world.wait_for_poll();
    world.answer(*poll, reply_class::throttled);
    world.actions.clear();
    std::vector<health_action> changes;
    for (int i = 0; i < 2'000 && changes.empty(); ++i) {
        const auto next = world.wait_for_poll();
        ASSERT_TRUE(next);
        changes = world.all<health_action>(); // by the passing of time
        world.answer(*next, reply_class::unchanged);
    }
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].to, health_kind::ok);
    EXPECT_EQ(changes[0].pause, milliseconds(0));
}

TEST(ProofHealth, A401AsksForTheTokenOnceAndThenOnlyProbes) {
    seen_world world(50);
    const auto poll = world.wait_for_poll();
    const auto late = world.wait_for_poll();
    world.answer(*poll, reply_class::unauthorized);
    EXPECT_EQ(world.all<reread_token_action>().size(), 1U);
    world.answer(*late, reply_class::unauthorized);
    EXPECT_TRUE(world.all<reread_token_action>().empty()) << "once";
    EXPECT_EQ(world.fail_until_change(reply_class::unauthorized).to, health_kind::unauthorized);
    for (int i = 0; i < 3; ++i) {
        const steady_time begin = world.now.steady;
        const auto probe = world.wait_for_poll();
        ASSERT_TRUE(probe);
        EXPECT_EQ(world.now.steady - begin, seconds(30));
        EXPECT_FALSE(world.core.next_poll(world.now)) << "one probe";
        world.answer(*probe, reply_class::unauthorized);
    }
}

TEST(ProofHealth, ANewTokenIsTriedAtOnceAndAnOldAnswerDoesNotUndoIt) {
    seen_world world(50);
    const auto poll = world.wait_for_poll();
    const auto old = world.wait_for_poll();
    world.answer(*poll, reply_class::unauthorized);
    const steady_time asked = world.now.steady;
    world.fail_until_change(reply_class::unauthorized);
    world.pass(milliseconds(500));
    world.step(token_changed_event{});
    const auto probe = world.wait_for_poll(seconds(5));
    ASSERT_TRUE(probe);
    poll_answer stale;
    stale.what = reply_class::unauthorized;
    stale.took = world.now.steady - asked; // with the old token
    world.answer(*old, stale);
    world.answer(*probe, reply_class::unchanged);
    EXPECT_EQ(world.only<health_action>().to, health_kind::ok);
}

TEST(ProofHealth, WhoseOverdueCouldNotBeRecordedBeforeItsFirstPollIsAskedAfterAnOutage) {
    seen_world world(50);
    world.answer(*world.wait_for_poll(), reply_class::forbidden); // perhaps the first of an outage
    world.step(tracked_event{world.make("late", milliseconds(1)), false});
    world.pass(milliseconds(1));
    world.step(woken_event{}); // before it was asked
    world.recorded(false);
    world.step(token_changed_event{}); // what was refused before counts no more
    bool is_asked = false;
    for (int i = 0; i < 200 && !is_asked; ++i) {
        const auto poll = world.wait_for_poll(minutes(1));
        ASSERT_TRUE(poll);
        is_asked = poll->ticket.id == "late";
        world.answer(*poll, reply_class::unchanged);
    }
    EXPECT_TRUE(is_asked);
}

TEST(ProofHealth, AProbeWithTheOldTokenDoesNotEndTheProbing) {
    seen_world world(50);
    world.fail_until_change(reply_class::forbidden);
    const auto probe = world.wait_for_poll();
    ASSERT_TRUE(probe);
    world.pass(milliseconds(100));
    world.step(token_changed_event{}); // while the probe is under way
    world.pass(milliseconds(100));
    poll_answer stale;
    stale.what = reply_class::unauthorized;
    stale.took = milliseconds(200);
    world.answer(*probe, stale);
    const auto next = world.wait_for_poll(minutes(1));
    ASSERT_TRUE(next) << "nobody would ever be asked again";
    world.answer(*next, reply_class::unchanged);
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
}

TEST(ProofHealth, ALonger429MeanwhileStillEndsInASlowStart) {
    seen_world world(1'000);
    const auto first = world.wait_for_poll();
    const auto second = world.wait_for_poll();
    poll_answer reply;
    reply.what = reply_class::throttled;
    reply.retry_after = seconds(1);
    world.answer(*first, reply);
    reply.retry_after = seconds(30);
    reply.took = milliseconds(500); // asked before the pause
    world.answer(*second, reply);
    const steady_time begin = world.now.steady;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_GE(world.now.steady - begin, seconds(30));
    int polls = 0;
    for (const steady_time end = world.now.steady + seconds(1); world.now.steady < end; ++polls) {
        world.answer(*world.wait_for_poll(), reply_class::unchanged);
    }
    EXPECT_LE(polls, 50) << "an eighth of 133 a second, doubling: the pause is no time in which the rate grows";
}

TEST(ProofHealth, AProbeWaitsForTheEndOfAPause) {
    seen_world world(50);
    const auto first = world.wait_for_poll();
    const auto second = world.wait_for_poll();
    poll_answer reply;
    reply.what = reply_class::throttled;
    reply.retry_after = minutes(5);
    world.answer(*first, reply);
    world.answer(*second, reply_class::unauthorized);
    const steady_time begin = world.now.steady;
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_GE(world.now.steady - begin, minutes(5)) << "Retry-After is for everybody";
}

TEST(ProofHealth, TheBreakerOpensForEverybodyAndProbesFromOneSecondToThirty) {
    seen_world world(1'000);
    const health_action opened = world.fail_until_change(reply_class::no_reply);
    EXPECT_EQ(opened.to, health_kind::unreachable);
    const steady_time begin = world.now.steady;
    const auto first = world.wait_for_poll(seconds(5));
    ASSERT_TRUE(first) << "as soon as the cadence lets anybody be asked";
    world.answer(*first, reply_class::no_reply);
    steady_duration longest{};
    while (world.now.steady < begin + minutes(6)) {
        const steady_time before = world.now.steady;
        const auto probe = world.wait_for_poll();
        ASSERT_TRUE(probe);
        EXPECT_FALSE(world.core.next_poll(world.now)) << "one probe";
        const steady_duration wait = world.now.steady - before;
        EXPECT_GE(wait, seconds(1));
        EXPECT_LE(wait, seconds(30));
        EXPECT_GE(wait, longest) << "never sooner than before";
        EXPECT_LE(wait, std::max<steady_duration>(seconds(1), (before - begin) / 8))
            << "an outage of a minute is noticed within 8 s";
        longest = wait;
        world.answer(*probe, reply_class::no_reply);
    }
    EXPECT_EQ(longest, seconds(30));
}

TEST(ProofHealth, RecoveryIsRampedAndEverybodyIsSeenWithinFifteenSeconds) {
    seen_world world(10'000);
    world.fail_until_change(reply_class::server_error);
    world.pass(minutes(1));
    world.step(woken_event{});
    const auto probe = world.wait_for_poll();
    world.answer(*probe, reply_class::unchanged);
    EXPECT_EQ(world.only<health_action>().to, health_kind::ok);
    const steady_time begin = world.now.steady;
    std::set<std::string> seen{probe->ticket.id};
    int in_first_second = 0;
    while (seen.size() < 10'000) {
        const auto poll = world.wait_for_poll(seconds(5));
        ASSERT_TRUE(poll);
        if (world.now.steady < begin + seconds(1)) ++in_first_second;
        seen.insert(poll->ticket.id);
        world.answer(*poll, reply_class::unchanged);
    }
    EXPECT_LE(in_first_second, 400) << "never a herd: the cadence wants 1,333 a second";
    EXPECT_LE(world.now.steady - begin, seconds(15));
}

TEST(ProofHealth, OneTransactionsErrorsDoNotStopTheOthers) {
    seen_world world(100);
    for (int i = 0; i < 400; ++i) {
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll);
        world.answer(*poll, poll->ticket.id == "id-7" ? reply_class::server_error : reply_class::unchanged);
    }
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
}

TEST(ProofHealth, ManyTransactionsThatAlwaysFailKeepTheOthersWaitingForHalfAMinuteAtMost) {
    seen_world world(100);
    const auto is_sick = [](const std::string& id) { return id.size() == 5; }; // id-10 to id-99
    std::map<std::string, steady_time> seen;
    steady_duration longest{};
    const steady_time end = world.now.steady + minutes(10);
    while (world.now.steady < end) {
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll);
        const std::string id = poll->ticket.id;
        if (!is_sick(id)) {
            const auto [before, is_first] = seen.try_emplace(id, world.now.steady);
            longest = std::max(longest, world.now.steady - before->second);
            before->second = world.now.steady;
        }
        world.answer(*poll, is_sick(id) ? reply_class::server_error : reply_class::unchanged);
    }
    EXPECT_EQ(seen.size(), 10U);
    EXPECT_LE(longest, seconds(30));
}

TEST(ProofHealth, ABurstOf404sIsNotHeldAgainstTheIds) {
    tracker_options options;
    options.rules.not_found_grace = seconds(20);
    seen_world world(100, options);
    bool has_begun = false;
    for (int i = 0; i < 2'000; ++i) {
        const auto poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply_class::not_found);
        for (const auto& burst : world.all<burst_action>()) has_begun = has_begun || burst.has_begun;
        for (const auto& change : world.all<change_action>()) {
            EXPECT_NE(change.facts.state, tracking_state::not_found) << i;
            world.step(durable(change));
        }
        if (world.core.health().kind() == health_kind::unreachable && i > 200) break;
    }
    EXPECT_TRUE(has_begun);
    EXPECT_EQ(world.core.health().kind(), health_kind::unreachable);
}

TEST(ProofHealth, TimeInWhichProofWasUnwellMakesNobodyNotFound) {
    tracker_options options;
    options.rules.not_found_grace = minutes(5);
    tracker_fixture world(options);
    for (int i = 0; i < 3; ++i) world.track("id-" + std::to_string(i));
    auto poll = world.wait_for_poll();
    const std::string id = poll->ticket.id;
    world.answer(*poll, reply_class::not_found);
    world.recorded(); // the grace has begun
    while (world.core.health().kind() != health_kind::forbidden) {
        poll = world.wait_for_poll();
        world.answer(*poll, reply_class::forbidden);
    }
    world.pass(minutes(10));
    world.step(token_changed_event{});
    for (int i = 0; i < 30; ++i) {
        poll = world.wait_for_poll(minutes(1));
        ASSERT_TRUE(poll);
        world.answer(*poll, poll->ticket.id == id ? reply_class::not_found : reply_class::unchanged);
        for (const auto& change : world.all<change_action>()) {
            EXPECT_NE(change.facts.state, tracking_state::not_found) << "only ten minutes of silence have passed";
            world.step(durable(change));
        }
        if (poll->ticket.id == id) break;
    }
}

TEST(ProofHealth, ABlockOfFailuresBesideAnAnswerIsNoOutage) {
    seen_world world(1'000);
    world.answer(*world.wait_for_poll(), reply_class::unchanged);
    const steady_time answered = world.now.steady;
    for (int i = 0; i < 60; ++i) world.answer(*world.wait_for_poll(), reply_class::server_error);
    EXPECT_LT(world.now.steady - answered, seconds(1));
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
    world.fail_until_change(reply_class::server_error);
    EXPECT_EQ(world.core.health().kind(), health_kind::unreachable);
    EXPECT_GE(world.now.steady - answered, seconds(1));
    EXPECT_LE(world.now.steady - answered, milliseconds(10'100)) << "the others are asked first";
}

TEST(ProofHealth, ABurstThatTurnsIntoAnOutageIsTakenOffTheGraceOnce) {
    tracker_options options;
    options.rules.not_found_grace = minutes(5);
    seen_world world(100, options);
    const auto record = [&world] {
        for (const auto& change : world.all<change_action>()) world.step(durable(change));
    };
    auto poll = world.wait_for_poll();
    const std::string lost = poll->ticket.id;
    world.answer(*poll, reply_class::not_found);
    record(); // the grace of this one has begun
    const steady_time begun = world.now.steady;
    while (world.core.health().kind() != health_kind::unreachable) {
        poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply_class::not_found);
        record();
    }
    while (world.now.steady - begun < minutes(30)) {
        poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply_class::not_found); // a probe
        record();
    }
    std::optional<steady_time> found;
    const steady_time healed = world.now.steady;
    while (!found && world.now.steady - healed < minutes(20)) {
        poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, poll->ticket.id == lost ? reply_class::not_found : reply_class::unchanged);
        for (const auto& change : world.all<change_action>()) {
            if (change.facts.state == tracking_state::not_found && change.id.str() == lost) found = world.now.steady;
        }
        record();
    }
    ASSERT_TRUE(found);
    EXPECT_GE(*found - healed, minutes(4));
    EXPECT_LE(*found - healed, minutes(6)) << "five minutes of good health, not five and the outage again";
}

TEST(ProofHealth, ProbesTakeTurnsBetweenTheOneThatWasAnsweredLastAndTheOthers) {
    seen_world world(50);
    const auto poll = world.wait_for_poll();
    const std::string last = poll->ticket.id;
    world.answer(*poll, reply_class::unchanged);
    world.fail_until_change(reply_class::forbidden);
    std::set<std::string> others;
    for (int i = 0; i < 10; ++i) {
        const auto probe = world.wait_for_poll();
        ASSERT_TRUE(probe);
        if (i % 2 == 0) {
            EXPECT_EQ(probe->ticket.id, last) << i;
        } else {
            EXPECT_TRUE(others.insert(probe->ticket.id).second) << i;
            EXPECT_NE(probe->ticket.id, last) << i;
        }
        world.answer(*probe, reply_class::forbidden);
    }
}

TEST(ProofHealth, NewIdsAreAskedDuringAnOutageAHundredAtOnceAndThenTenASecond) {
    seen_world world(3);
    world.fail_until_change(reply_class::forbidden);
    for (int i = 0; i < 150; ++i) world.track("new-" + std::to_string(i));
    world.pass(seconds(1));
    const auto poll_all = [&] {
        int polls = 0;
        while (world.core.next_poll(world.now)) ++polls;
        return polls;
    };
    EXPECT_EQ(poll_all(), 100);
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(world.core.next_wake(world.now), world.now.steady + milliseconds(100));
        world.pass(milliseconds(99));
        EXPECT_EQ(poll_all(), 0);
        world.pass(milliseconds(1));
        EXPECT_EQ(poll_all(), 1);
    }
}

TEST(ClockSkew, IsSaidOnceAfterAMinute) {
    clock_skew skew;
    instant now{steady_time(seconds(100)), wall_time(seconds(1'000'000))};
    const auto date = [&](seconds off) { return now.wall + off; };
    EXPECT_EQ(skew.on_date(date(seconds(40)), now), std::nullopt);
    now.steady += seconds(59);
    EXPECT_EQ(skew.on_date(date(seconds(40)), now), std::nullopt);
    now.steady += seconds(1);
    EXPECT_EQ(skew.on_date(date(seconds(40)), now), milliseconds(40'500));
    now.steady += seconds(60);
    EXPECT_EQ(skew.on_date(date(seconds(40)), now), std::nullopt) << "once";
    EXPECT_EQ(skew.on_date(date(seconds(5)), now), std::nullopt);
    EXPECT_EQ(skew.on_date(date(seconds(-45)), now), std::nullopt) << "a new minute begins";
    now.steady += seconds(60);
    EXPECT_EQ(skew.on_date(date(seconds(-45)), now), milliseconds(-44'500)) << "and it is another one";
}

TEST(ClockSkew, HalfAMinuteIsNoSkew) {
    const instant now{steady_time(seconds(100)), wall_time(seconds(1'000'000))};
    const instant later{now.steady + seconds(60), now.wall};
    for (const int sign : {1, -1}) {
        for (const int off : {30'000, 30'001}) {
            clock_skew skew;
            const wall_time date = now.wall + milliseconds(sign * off - 500); // a Date is cut to seconds
            EXPECT_EQ(skew.on_date(date, now), std::nullopt);
            EXPECT_EQ(skew.latest(), milliseconds(sign * off));
            EXPECT_EQ(skew.on_date(date, later).has_value(), off == 30'001) << sign;
        }
    }
}

} // namespace
} // namespace prooftrack::track
