// A lane that is paused, resumed or hurried.

#include <gtest/gtest.h>

#include "track/delivery_lane.hpp"

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;
using turn = delivery_lane::turn;

struct paused_lane : testing::Test {
    instant now{steady_time(10h), wall_time(1'775'037'600'000ms)};
    random_source random{1};
    delivery_lane lane{lane_capacity, stored_heads::none, lane_settings{{1h}, 8, 0}};

    void owe(std::uint64_t id) { lane.insert({delivery_id{id}, 0, now.wall, id}, now.wall); }
    /// The next one, up to its attempt.
    delivery_id begin_one() {
        const lane_head head = lane.take(now).value();
        lane.loaded(head.id);
        lane.begin(head.id, now.steady);
        return head.id;
    }
    attempt_decision end_one(delivery_id id, attempt_result how) {
        const auto finished = lane.finish(id, 1, {how, std::nullopt}, now, random);
        lane.forget(id);
        return finished.decision;
    }
    void break_it() {
        for (std::uint64_t i = 1; i <= failures_until_failing; ++i) lane.health().on_failure(i, now);
    }
};

TEST_F(paused_lane, NothingIsTakenAndNoTimeWakesIt) {
    owe(1);
    lane.pause();
    EXPECT_TRUE(lane.paused());
    EXPECT_EQ(lane.take(now), std::nullopt);
    EXPECT_EQ(lane.next_wake(now), std::nullopt);
    owe(2);
    EXPECT_EQ(lane.waiting(), 2U) << "what is owed meanwhile waits";
}

TEST_F(paused_lane, WhatWasLoadedGoesBackUnattempted) {
    owe(1);
    const lane_head head = lane.take(now).value();
    lane.pause();
    lane.loaded(head.id);
    EXPECT_EQ(lane.next_turn(now.steady), turn::back);
    lane.put_back(head.id, now.wall);
    lane.resume();
    EXPECT_EQ(lane.take(now)->id, head.id);
    EXPECT_EQ(lane.next_turn(now.steady), turn::go);
}

TEST_F(paused_lane, WhatIsInFlightEndsAsEver) {
    owe(1);
    const delivery_id id = begin_one();
    lane.pause();
    EXPECT_EQ(lane.in_flight(), 1U);
    EXPECT_GE(end_one(id, attempt_result::failed).next_attempt_at.value(), now.wall + 1h);
    EXPECT_TRUE(lane.idle());
}

TEST_F(paused_lane, WhatWaitedGoesRamped) {
    for (std::uint64_t id = 1; id <= 8; ++id) owe(id);
    lane.pause();
    lane.resume();
    const delivery_id first = begin_one();
    EXPECT_EQ(lane.next_turn(now.steady), turn::wait) << "one at first";
    end_one(first, attempt_result::delivered);
    begin_one();
    EXPECT_EQ(lane.next_turn(now.steady), turn::go) << "then two";
    begin_one();
    EXPECT_EQ(lane.next_turn(now.steady), turn::wait);
}

TEST_F(paused_lane, ResumingOneThatIsNotPausedChangesNothing) {
    lane.resume();
    for (std::uint64_t id = 1; id <= 8; ++id) owe(id);
    for (int i = 0; i < 8; ++i) begin_one();
    EXPECT_EQ(lane.in_flight(), 8U);
}

TEST_F(paused_lane, AFailingOneStaysFailing) {
    break_it();
    owe(1);
    lane.pause();
    now.steady += 31s;
    EXPECT_EQ(lane.take(now), std::nullopt) << "not even its probe";
    lane.resume();
    EXPECT_TRUE(lane.health().failing());
    EXPECT_TRUE(lane.take(now));
}

TEST_F(paused_lane, AHurriedProbeGoesAtOnceAndTheNextOneAfterItsInterval) {
    break_it();
    owe(1);
    owe(2);
    EXPECT_EQ(lane.take(now), std::nullopt);
    lane.health().try_now(now.steady);
    const delivery_id first = begin_one();
    end_one(first, attempt_result::failed);
    now.steady += failing_probe_interval - 1ms;
    EXPECT_EQ(lane.take(now), std::nullopt);
    now.steady += 1ms;
    EXPECT_TRUE(lane.take(now));
}

TEST_F(paused_lane, AHealthyOneIsNotHurried) {
    lane.health().try_now(now.steady);
    EXPECT_EQ(lane.health().next_try(), std::nullopt);
}

TEST_F(paused_lane, AProbeThatIsDueStaysDue) {
    break_it();
    lane.health().try_now(now.steady + 20s);
    lane.health().try_now(now.steady + 25s);
    EXPECT_EQ(lane.health().next_try(), now.steady + 20s);
}

} // namespace
} // namespace prooftrack::track
