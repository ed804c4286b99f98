// What an outage or a pause does, at exact times: when it is seen, who is asked meanwhile, and what its end leaves.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

tracker_options with_interval(seconds first, seconds second) {
    tracker_options options;
    options.rules.interval = {first, second};
    return options;
}

/// Everybody who was tracked has been answered once, at `now`.
class answered_world : public tracker_fixture {
  public:
    explicit answered_world(const std::vector<std::string>& ids, tracker_options options)
        : tracker_fixture(std::move(options)) {
        for (const std::string& id : ids) track(id);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            answer(core.next_poll(now).value(), reply_class::good, "pending");
            recorded();
        }
    }
    live_transaction live(const std::string& id) const { return core.live(core.find(id).value(), now); }
    /// Answers the next poll, which has to be this one's.
    void answer_next(const std::string& id, reply_class what, const std::string& status = "") {
        const auto poll = wait_for_poll();
        ASSERT_TRUE(poll);
        EXPECT_EQ(poll->ticket.id, id);
        answer(*poll, what, status);
    }
    /// It is asked a second after its last poll, out of its turn.
    void answer_wanted(const std::string& id, reply_class what) {
        step(poll_wanted_event{core.find(id).value()});
        pass(seconds(1));
        answer_next(id, what);
    }
};

TEST(Outage, SeenByThePassingOfTimeSaysWhatTheLastRefusalSaid) {
    for (const auto& [what, kind] :
         {std::pair(reply_class::forbidden, health_kind::forbidden),
          std::pair(reply_class::unauthorized, health_kind::unauthorized)}) {
        tracker_fixture world;
        world.step(token_changed_event{});
        world.track("a");
        poll_answer refusal;
        refusal.what = what;
        refusal.error = "403 not_allowed";
        refusal.message = "Not from this address";
        refusal.request_id = "request-7";
        world.answer(*world.wait_for_poll(), refusal);
        world.recorded(); // its age
        world.pass(milliseconds(1'999));
        EXPECT_EQ(world.core.next_wake(world.now), world.now.steady + milliseconds(1));
        EXPECT_TRUE(world.step(woken_event{}).empty()) << "others may come with it, and be answered";
        world.pass(milliseconds(1));
        world.step(woken_event{});
        const auto seen = world.only<health_action>();
        EXPECT_EQ(seen.from, health_kind::ok);
        EXPECT_EQ(seen.to, kind);
        EXPECT_EQ(seen.detail, "403 not_allowed");
        EXPECT_EQ(seen.request_id, "request-7");
        EXPECT_EQ(seen.pause, milliseconds(0));
        EXPECT_EQ(world.core.health().standing(), "403 not_allowed: Not from this address");
    }
}

TEST(Outage, AProbeSaysWhatItIsNow) {
    answered_world world({"a"}, with_interval(seconds(10), seconds(10)));
    world.pass(seconds(10));
    world.answer_next("a", reply_class::forbidden);
    EXPECT_EQ(world.only<health_action>().to, health_kind::forbidden);
    EXPECT_EQ(world.live("a").last_error, "forbidden") << "it is shown";
    EXPECT_EQ(world.live("a").consecutive_errors, 0U) << "and not held against it";
    world.answer_next("a", reply_class::unauthorized);
    EXPECT_EQ(world.only<health_action>().to, health_kind::unauthorized);
}

TEST(Outage, OneOutOfTheCadenceIsAskedBeforeTwoRefusalsAreOne) {
    for (const bool is_refused : {false, true}) {
        answered_world world({"a", "b"}, with_interval(seconds(10), seconds(10)));
        active_transaction late = world.make("late");
        late.facts.state = tracking_state::overdue;
        late.facts.overdue_at = world.now.wall;
        late.facts.last_polled_at = world.now.wall;
        world.load({late});
        world.pass(seconds(10));
        world.answer_next("a", reply_class::forbidden);
        world.answer_next("b", reply_class::forbidden);
        EXPECT_TRUE(world.all<health_action>().empty());
        const steady_time begin = world.now.steady;
        world.answer_next("late", is_refused ? reply_class::forbidden : reply_class::unchanged);
        EXPECT_LE(world.now.steady - begin, milliseconds(10)) << "at once";
        EXPECT_EQ(world.all<health_action>().size(), is_refused ? 1U : 0U);
        EXPECT_EQ(world.core.health().kind(), is_refused ? health_kind::forbidden : health_kind::ok);
    }
}

TEST(Outage, TheEndOfOneForgivesItsErrors) {
    const std::vector<std::string> ids{"a", "b", "c"};
    for (const int most_probes : {1, 2, 3, 4, 5}) {
        answered_world world(ids, with_interval(seconds(10), seconds(10)));
        for (int probes = 0; probes < most_probes;) {
            if (world.core.health().is_unwell()) ++probes;
            world.answer(world.wait_for_poll(minutes(1)).value(), reply_class::server_error);
        }
        world.answer(world.wait_for_poll(minutes(1)).value(), reply_class::unchanged);
        EXPECT_EQ(world.only<health_action>().to, health_kind::ok);
        for (const std::string& id : ids) {
            const live_transaction live = world.live(id);
            EXPECT_EQ(live.consecutive_errors, 0U) << id;
            EXPECT_LE(live.next_poll_at.value() - world.now.wall, seconds(10)) << id;
            EXPECT_GE(live.next_poll_at.value() - live.facts.last_polled_at.value(), seconds(10)) << id;
        }
        for (std::size_t i = 0; i < ids.size(); ++i) {
            EXPECT_EQ(world.core.health().kind(), health_kind::ok) << "the others have not been asked again";
            world.answer(world.wait_for_poll(minutes(1)).value(), reply_class::forbidden);
        }
        EXPECT_EQ(world.core.health().kind(), health_kind::forbidden);
    }
}

TEST(Outage, OneThatIsTrackedAnewMeanwhileIsAskedAsSoonAsANewOne) {
    answered_world world({"b", "a"}, with_interval(seconds(10), seconds(10)));
    world.pass(seconds(10));
    world.answer_next("b", reply_class::unchanged);
    world.answer_next("a", reply_class::good, "completed");
    world.recorded();
    world.answer_wanted("a", reply_class::forbidden);
    world.answer_wanted("b", reply_class::forbidden);
    ASSERT_EQ(world.core.health().kind(), health_kind::forbidden);
    const steady_time begin = world.now.steady;
    world.track("a");
    world.answer_next("a", reply_class::forbidden);
    EXPECT_LE(world.now.steady - begin, seconds(1));
}

TEST(Outage, OneThatIsTrackedAnewHasNotFailedYet) {
    answered_world world({"b", "a"}, with_interval(seconds(10), seconds(10)));
    world.pass(seconds(10));
    world.answer_next("b", reply_class::unchanged);
    world.answer_next("a", reply_class::good, "completed");
    world.recorded();
    world.answer_wanted("a", reply_class::server_error);
    world.answer_wanted("b", reply_class::unchanged);
    world.track("a");
    world.answer_wanted("b", reply_class::forbidden);
    EXPECT_EQ(world.core.health().kind(), health_kind::ok) << "it may be answered";
}

TEST(Outage, TheEndOfOneLeavesTheBackoffOfThoseThatFailedBefore) {
    answered_world world({"bad", "b", "c"}, with_interval(seconds(10), seconds(10)));
    while (world.live("bad").consecutive_errors < 6) {
        const auto poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, poll->ticket.id == "bad" ? reply_class::server_error : reply_class::unchanged);
    }
    const auto next = world.live("bad").next_poll_at;
    EXPECT_GE(next.value() - world.now.wall, seconds(160));
    while (!world.core.health().is_unwell()) {
        const auto poll = world.wait_for_poll(minutes(2));
        ASSERT_TRUE(poll);
        world.answer(*poll, reply_class::server_error);
    }
    world.answer(world.wait_for_poll(minutes(1)).value(), reply_class::unchanged);
    ASSERT_EQ(world.core.health().kind(), health_kind::ok);
    EXPECT_EQ(world.live("bad").consecutive_errors, 6U);
    EXPECT_EQ(world.live("bad").next_poll_at, next);
}

TEST(Outage, OneThatWasAnsweredIsAskedAsSoonAsTheBandLets) {
    answered_world world({"a", "b"}, with_interval(seconds(5), seconds(100)));
    const steady_time begin = world.now.steady;
    world.answer_wanted("b", reply_class::forbidden);
    world.answer_next("a", reply_class::unchanged);
    EXPECT_EQ(world.now.steady - begin, seconds(5));
}

TEST(Outage, WhoAlwaysFailedIsAskedAsSoonAsTheBandLetsWhenNobodyElseIsLeft) {
    tracker_fixture world(with_interval(seconds(100), seconds(100)));
    world.track("a");
    world.track("b");
    const steady_time begin = world.now.steady;
    world.answer(*world.core.next_poll(world.now), reply_class::server_error);
    world.answer(*world.core.next_poll(world.now), reply_class::good, "pending");
    world.recorded();
    const row_ref b = *world.core.find("b");
    world.step(poll_wanted_event{b});
    world.pass(seconds(1));
    world.answer(*world.core.next_poll(world.now), reply_class::forbidden);
    EXPECT_EQ(world.only<health_action>().to, health_kind::forbidden);
    world.step(untracked_event{b});
    world.recorded();
    const auto probe = world.wait_for_poll();
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->ticket.id, "a");
    EXPECT_EQ(world.now.steady - begin, seconds(100)) << "the probe's own time was after half a minute";
}

TEST(Outage, OneOutOfTheCadenceIsNotAskedEarlyWhileAnybodyIsLeftInIt) {
    for (const bool has_new : {false, true}) {
        answered_world world({"a", "b"}, with_interval(seconds(10), seconds(100)));
        active_transaction late = world.make("late");
        late.facts.state = tracking_state::overdue;
        late.facts.overdue_at = world.now.wall;
        late.facts.last_polled_at = world.now.wall - minutes(30);
        world.load({late});
        world.answer_wanted("b", reply_class::forbidden);
        if (has_new) {
            world.track("new");
            EXPECT_EQ(world.core.next_poll(world.now).value().ticket.id, "new");
        }
        EXPECT_FALSE(world.core.has_poll(world.now));
    }
}

TEST(Outage, EarlyPollsComeTenMillisecondsApart) {
    answered_world world({"a", "b", "c", "d"}, with_interval(seconds(5), seconds(100)));
    const steady_time begin = world.now.steady;
    world.answer_wanted("b", reply_class::forbidden);
    world.answer_next("a", reply_class::forbidden);
    EXPECT_EQ(world.now.steady - begin, seconds(5));
    const auto next = world.wait_for_poll();
    ASSERT_TRUE(next);
    EXPECT_EQ(next->ticket.id, "c");
    EXPECT_EQ(world.now.steady - begin, milliseconds(5'010));
    world.pass(seconds(1));
    EXPECT_FALSE(world.core.has_poll(world.now)) << "one at once";
}

TEST(Outage, SixtyFourRowsAreLookedAtAtOnce) {
    for (const int first_askable : {64, 128}) {
        tracker_fixture world(with_interval(seconds(100), seconds(100)));
        std::vector<active_transaction> rows;
        for (int i = 0; i < 200; ++i) {
            const auto ago = i < first_askable ? hours(0) : i == 190 ? hours(2) : hours(1);
            rows.push_back(world.make("id-" + std::to_string(i)));
            rows.back().facts.last_polled_at = world.now.wall - ago;
        }
        world.load(std::move(rows));
        const auto first = world.core.next_poll(world.now);
        ASSERT_TRUE(first);
        EXPECT_EQ(first->ticket.id, "id-190") << "the longest unseen";
        world.answer(*first, reply_class::forbidden);
        EXPECT_FALSE(world.core.next_poll(world.now)) << "the band lets none of the first 64 be asked yet";
        EXPECT_EQ(world.core.next_wake(world.now), world.now.steady + milliseconds(100)) << "for the next 64";
        const auto next = world.core.next_poll(world.now);
        ASSERT_TRUE(next);
        EXPECT_EQ(next->ticket.id, "id-" + std::to_string(first_askable));
    }
}

TEST(Outage, TheOneThatWasAnsweredLastIsAskedAsSoonAsTheBandLetsAmongMany) {
    tracker_fixture world(with_interval(seconds(100), seconds(100)));
    for (int i = 0; i < 200; ++i) world.track("id-" + std::to_string(i));
    const steady_time begin = world.now.steady;
    world.step(poll_wanted_event{*world.core.find("id-199")});
    const auto first = world.core.next_poll(world.now);
    ASSERT_TRUE(first);
    world.pass(milliseconds(50));
    for (int i = 0; i < 199; ++i) {
        world.answer(world.wait_for_poll().value(), reply_class::good, "pending");
        world.recorded();
    }
    world.answer(*first, reply_class::good, "pending");
    world.recorded();
    for (int i = 0; i < 200; ++i) world.answer(world.wait_for_poll().value(), reply_class::forbidden);
    ASSERT_EQ(world.core.health().kind(), health_kind::forbidden);
    world.pass(begin + seconds(200) - milliseconds(50) - world.now.steady);
    for (int look = 0; look < 4; ++look) {
        EXPECT_EQ(world.core.next_wake(world.now), begin + seconds(200)) << "of 64 each, and he is not among all";
    }
    world.pass(milliseconds(50));
    const auto probe = world.core.next_poll(world.now);
    ASSERT_TRUE(probe);
    EXPECT_EQ(probe->ticket.id, "id-199");
}

TEST(Outage, AClockThatIsSetMeanwhileIsNoTimeOfIt) {
    tracker_options options = with_interval(seconds(10), seconds(10));
    tracker_fixture world(options);
    world.track("lost");
    poll_answer reply;
    reply.what = reply_class::not_found;
    reply.server_date = world.now.wall;
    world.answer(*world.wait_for_poll(), reply);
    world.recorded();
    const auto grace = [&] {
        return world.now.wall - world.core.live(*world.core.find("lost"), world.now).facts.not_found_since.value();
    };
    world.pass(seconds(10));
    world.answer(world.core.next_poll(world.now).value(), reply_class::forbidden);
    ASSERT_TRUE(world.core.health().is_unwell());
    EXPECT_EQ(grace(), seconds(10));
    world.now.wall += hours(1);
    world.step(clock_jumped_event{hours(1)});
    const auto probe = world.wait_for_poll();
    ASSERT_TRUE(probe);
    reply.what = reply_class::forbidden;
    reply.server_date = world.now.wall; // the clock is right now
    world.answer(*probe, reply);
    world.recorded(); // the times that moved with it
    reply.what = reply_class::not_found;
    reply.server_date.reset();
    world.answer(world.wait_for_poll().value(), reply);
    ASSERT_EQ(world.core.health().kind(), health_kind::ok);
    EXPECT_EQ(grace(), seconds(10));
}

TEST(Outage, EachIsTakenOffTheGraceOnce) {
    tracker_fixture world(with_interval(seconds(10), seconds(10)));
    world.track("lost");
    world.answer(*world.wait_for_poll(), reply_class::not_found);
    world.recorded();
    for (const int times : {1, 2}) {
        world.answer(world.wait_for_poll().value(), reply_class::forbidden);
        ASSERT_TRUE(world.core.health().is_unwell());
        world.answer(world.wait_for_poll().value(), reply_class::not_found);
        ASSERT_FALSE(world.core.health().is_unwell());
        for (const auto& change : world.all<change_action>()) world.step(durable(change)); // the time that was moved
        const tracking_facts facts = world.core.live(*world.core.find("lost"), world.now).facts;
        EXPECT_EQ(world.now.wall - facts.not_found_since.value(), times * seconds(10));
    }
}

TEST(Burst, IsTakenOffTheGraceThoughItIsNoOutage) {
    tracker_fixture world(with_interval(seconds(10), seconds(10)));
    for (int i = 0; i < 12; ++i) world.track("id-" + std::to_string(i));
    std::vector<bool> bursts;
    const auto answer_all = [&](reply_class of_first, reply_class of_others) {
        while (const auto poll = world.core.next_poll(world.now)) {
            const bool is_first = poll->ticket.id == "id-0";
            world.answer(*poll, is_first ? of_first : of_others, "pending");
            for (const auto& burst : world.all<burst_action>()) bursts.push_back(burst.has_begun);
            for (const auto& change : world.all<change_action>()) world.step(durable(change));
        }
    };
    const auto since = [&] { return world.core.live(*world.core.find("id-0"), world.now).facts.not_found_since; };
    const wall_time begin = world.now.wall;
    answer_all(reply_class::not_found, reply_class::good);
    EXPECT_EQ(since(), begin);
    world.pass(seconds(10));
    answer_all(reply_class::not_found, reply_class::not_found);
    EXPECT_EQ(bursts, std::vector<bool>{true});
    world.pass(seconds(10));
    answer_all(reply_class::not_found, reply_class::good);
    world.pass(seconds(5));
    world.step(woken_event{});
    bursts.push_back(world.only<burst_action>().has_begun);
    EXPECT_EQ(bursts, (std::vector<bool>{true, false}));
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
    EXPECT_EQ(since(), begin + seconds(15));
}

TEST(Outage, OneThatEndsIsTakenOffAGraceThatIsBeingRecorded) {
    answered_world world({"b"}, with_interval(seconds(10), seconds(10)));
    world.track("lost");
    const auto poll = world.core.next_poll(world.now);
    ASSERT_TRUE(poll);
    const steady_time asked = world.now.steady;
    while (!world.core.health().is_unwell()) {
        world.answer_next("b", reply_class::forbidden); // the reply to the other one does not come
        world.pass(seconds(1));
        world.step(woken_event{});
        ASSERT_LT(world.now.steady - asked, minutes(2));
    }
    poll_answer reply;
    reply.what = reply_class::not_found;
    reply.took = world.now.steady - asked;
    world.answer(*poll, reply);
    ASSERT_TRUE(world.core.health().is_unwell()) << "it was asked before";
    const auto change = world.only<change_action>();
    world.answer_next("b", reply_class::unchanged);
    ASSERT_FALSE(world.core.health().is_unwell());
    const wall_time end = world.now.wall;
    world.step(durable(change));
    EXPECT_GE(world.live("lost").facts.not_found_since.value(), end);
}

TEST(Pause, IsNoFailureAndNobodyIsAskedEarly) {
    answered_world world({"a", "b"}, with_interval(seconds(5), seconds(100)));
    world.answer_wanted("a", reply_class::throttled);
    const wall_time due = std::min(world.live("a").next_poll_at.value(), world.live("b").next_poll_at.value());
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_GE(world.now.wall, due);
}

TEST(Pause, TheSlowStartEndsWhenNoPollIsMoreThanASecondLate) {
    for (const milliseconds late : {milliseconds(1'000), milliseconds(1'001)}) {
        tracker_fixture world(with_interval(seconds(10), seconds(10)));
        world.track("a");
        world.answer(*world.wait_for_poll(), reply_class::throttled);
        EXPECT_FALSE(world.core.has_poll(world.now));
        world.pass(seconds(10) + late);
        world.step(woken_event{});
        EXPECT_EQ(world.all<health_action>().size(), late == seconds(1) ? 1U : 0U);
        ASSERT_TRUE(world.core.next_poll(world.now));
        world.step(woken_event{});
        EXPECT_EQ(world.core.health().kind(), health_kind::ok);
    }
}

} // namespace
} // namespace prooftrack::track
