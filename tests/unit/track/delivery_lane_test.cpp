#include "track/delivery_lane.hpp"

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

const lane_settings settings{{5s, 5min, 30min}, 4};

struct lane_bench {
    instant now{steady_time(1h), wall_time(1'775'044'800'000ms)};
    random_source random{1};
    delivery_lane lane{lane_capacity, stored_heads::none, settings};

    void pass(milliseconds span) {
        now.steady += span;
        now.wall += span;
    }
    void owe(std::uint64_t id, std::uint64_t transaction = 0) {
        lane.insert({delivery_id{id}, 0, now.wall, transaction == 0 ? id : transaction}, now.wall);
    }
    /// Loads ahead as the driver does; the one that is attempted now, if any.
    std::optional<std::uint64_t> take() {
        load();
        while (lane.first_ready() && lane.next_turn(now.steady) == delivery_lane::turn::back)
            lane.put_back(*lane.first_ready(), now.wall);
        if (!lane.first_ready() || lane.next_turn(now.steady) == delivery_lane::turn::wait) return std::nullopt;
        const delivery_id id = *lane.first_ready();
        lane.begin(id, now.steady);
        return value_of(id);
    }
    /// Takes and loads what may be; how many.
    std::size_t load() {
        std::size_t count = 0;
        for (; const auto head = lane.take(now); ++count) lane.loaded(head->id);
        return count;
    }
    delivery_lane::finished end(std::uint64_t id, attempt_result what, std::uint32_t attempts = 1) {
        const auto finished = lane.finish(delivery_id{id}, attempts, {what, {}}, now, random);
        lane.forget(delivery_id{id});
        if (finished.decision.state == delivery_state::pending) {
            lane.insert({delivery_id{id}, finished.attempts, *finished.decision.next_attempt_at, id}, now.wall);
        }
        return finished;
    }
    void fail_five() {
        for (std::uint64_t id = 1; id <= 5; ++id) {
            owe(id);
            EXPECT_EQ(take(), id);
            end(id, attempt_result::failed);
        }
    }
};

TEST(DeliveryLane, StartsNoMoreThanItsLimit) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 6; ++id) bench.owe(id);
    for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_EQ(bench.take(), id);
    EXPECT_EQ(bench.take(), std::nullopt);
    EXPECT_EQ(bench.lane.next_wake(bench.now), std::nullopt) << "time alone changes nothing";
    bench.end(2, attempt_result::delivered);
    EXPECT_EQ(bench.take(), 5U);
}

TEST(DeliveryLane, WakesExactlyWhenTheNextOneIsDue) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    const auto finished = bench.end(1, attempt_result::failed);
    const milliseconds wait = *finished.decision.next_attempt_at - bench.now.wall;
    EXPECT_EQ(bench.lane.next_wake(bench.now), bench.now.steady + wait);
    bench.pass(wait - 1ms);
    EXPECT_EQ(bench.take(), std::nullopt);
    bench.pass(1ms);
    EXPECT_EQ(bench.take(), 1U);
}

TEST(DeliveryLane, AThousandAndTwentyFourHeadsAreInMemoryAndTheOthersInTheStore) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 1'024; ++id) bench.owe(id);
    EXPECT_EQ(bench.lane.waiting(), 1'024U);
    bench.owe(1'025);
    EXPECT_EQ(bench.lane.waiting(), 1'024U);
}

TEST(DeliveryLane, ABusyOneIsNotTakenInTwice) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.owe(1);
    EXPECT_EQ(bench.take(), std::nullopt);
    EXPECT_EQ(bench.lane.waiting(), 0U);
}

TEST(DeliveryLane, WhileFailingOnlyTheOldestDueIsTriedAndTheOthersUseNothing) {
    lane_bench bench;
    bench.fail_five();
    EXPECT_TRUE(bench.lane.health().failing());
    for (std::uint64_t id = 11; id <= 13; ++id) bench.owe(id);
    EXPECT_EQ(bench.take(), std::nullopt);
    bench.pass(30s - 1ms);
    EXPECT_EQ(bench.take(), std::nullopt);
    bench.pass(1ms);
    EXPECT_EQ(bench.take(), 11U) << "due the longest; 1 to 5 were due 5 s later";
    EXPECT_EQ(bench.take(), std::nullopt) << "one at a time";
    bench.end(11, attempt_result::failed);
    bench.pass(29s);
    EXPECT_EQ(bench.take(), std::nullopt);
    bench.pass(1s);
    EXPECT_EQ(bench.take(), 12U) << "11 waits by its schedule now, the next oldest is due";
}

TEST(DeliveryLane, WhileFailingNothingIsLoadedBesideALoadAndAnAttemptThatWereUnderWay) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 4; ++id) {
        bench.owe(id);
        EXPECT_EQ(bench.take(), id);
        bench.end(id, attempt_result::failed);
    }
    for (std::uint64_t id = 5; id <= 6; ++id) {
        bench.owe(id);
        EXPECT_EQ(bench.take(), id);
    }
    bench.owe(7);
    ASSERT_TRUE(bench.lane.take(bench.now)) << "its bytes are being read";
    EXPECT_EQ(bench.end(5, attempt_result::failed).change, delivery_health::change::turned_failing);
    bench.owe(8);
    bench.pass(30s);
    EXPECT_EQ(bench.lane.in_flight(), 1U);
    EXPECT_FALSE(bench.lane.take(bench.now));
    EXPECT_EQ(bench.lane.next_wake(bench.now), std::nullopt) << "time alone changes nothing";
    bench.lane.put_back(delivery_id{7}, bench.now.wall);
    EXPECT_FALSE(bench.lane.take(bench.now)) << "one is attempted";
    bench.end(6, attempt_result::failed);
    EXPECT_TRUE(bench.lane.take(bench.now));
    EXPECT_FALSE(bench.lane.take(bench.now)) << "one is loaded";
}

TEST(DeliveryLane, WhatWasLoadedAheadWhenItTurnedFailingIsNotAttempted) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 12; ++id) bench.owe(id);
    for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_EQ(bench.take(), id);
    for (std::uint64_t id = 1; id <= 4; ++id) bench.end(id, attempt_result::failed);
    EXPECT_EQ(bench.take(), 5U);
    EXPECT_TRUE(bench.lane.first_ready());
    EXPECT_EQ(bench.end(5, attempt_result::failed).change, delivery_health::change::turned_failing);
    EXPECT_EQ(bench.lane.next_turn(bench.now.steady), delivery_lane::turn::back);
    EXPECT_EQ(bench.take(), std::nullopt);
    EXPECT_FALSE(bench.lane.first_ready());
    EXPECT_FALSE(bench.lane.any_busy());
    bench.pass(30s);
    EXPECT_EQ(bench.take(), 6U);
    EXPECT_EQ(bench.lane.in_flight(), 1U);
}

TEST(DeliveryLane, AsManyAsMayBeInFlightAreLoadedAhead) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 20; ++id) bench.owe(id);
    for (std::uint64_t id = 1; id <= 4; ++id) EXPECT_EQ(bench.take(), id);
    EXPECT_EQ(bench.take(), std::nullopt);
    EXPECT_EQ(bench.lane.waiting(), 12U) << "four are attempted, four are ready";
    EXPECT_EQ(bench.lane.next_turn(bench.now.steady), delivery_lane::turn::wait);
}

TEST(DeliveryLane, MoreAreLoadedAheadWhereALoadMayWaitForACommit) {
    lane_bench bench;
    bench.lane.configure(lane_settings{settings.retry_schedule, 4, 12});
    for (std::uint64_t id = 1; id <= 40; ++id) bench.owe(id);
    EXPECT_EQ(bench.load(), 12U);
    for (std::uint64_t id = 1; id <= 4; ++id) bench.lane.begin(delivery_id{id}, bench.now.steady);
    EXPECT_EQ(bench.lane.next_turn(bench.now.steady), delivery_lane::turn::wait) << "max_in_flight holds";
    EXPECT_EQ(bench.load(), 4U) << "what began made room";
}

TEST(DeliveryLane, AfterTheFirstSuccessTheWaitingOnesGoInOrderAndRamped) {
    lane_bench bench;
    bench.fail_five();
    for (std::uint64_t id = 11; id <= 20; ++id) bench.owe(id);
    bench.pass(30s);
    EXPECT_EQ(bench.take(), 11U);
    EXPECT_EQ(bench.end(11, attempt_result::delivered).change, delivery_health::change::recovered);
    EXPECT_EQ(bench.take(), 12U);
    EXPECT_EQ(bench.take(), std::nullopt);
    bench.end(12, attempt_result::delivered);
    EXPECT_EQ(bench.take(), 13U);
    EXPECT_EQ(bench.take(), 14U);
    EXPECT_EQ(bench.take(), std::nullopt);
}

TEST(DeliveryLane, AnUnconfiguredLaneHoldsEverythingAndForgetsNothing) {
    lane_bench bench;
    bench.owe(1);
    bench.lane.configure(std::nullopt);
    EXPECT_EQ(bench.take(), std::nullopt);
    EXPECT_EQ(bench.lane.next_wake(bench.now), std::nullopt);
    EXPECT_FALSE(bench.lane.wants_refill());
    EXPECT_FALSE(bench.lane.idle()) << "the store still owes";
    bench.owe(2);
    bench.lane.configure(settings);
    EXPECT_TRUE(bench.lane.wants_refill());
    const std::vector<lane_head> first{{delivery_id{1}, 0, bench.now.wall, 1}, {delivery_id{2}, 0, bench.now.wall, 2}};
    bench.lane.refill(first, bench.lane.refill_size(), bench.now.wall);
    EXPECT_EQ(bench.take(), 1U);
    EXPECT_EQ(bench.take(), 2U);
}

TEST(DeliveryLane, AChangedScheduleHoldsFromTheNextAttempt) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.lane.configure(lane_settings{{2h}, 4});
    const auto finished = bench.end(1, attempt_result::failed);
    EXPECT_GE(*finished.decision.next_attempt_at, bench.now.wall + 2h);
}

TEST(DeliveryLane, AnAttemptThatEndsAfterItsCallbackWentIsDecidedByTheLastSchedule) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.lane.configure(std::nullopt);
    const auto finished = bench.end(1, attempt_result::failed);
    EXPECT_EQ(finished.decision.state, delivery_state::pending);
    EXPECT_FALSE(bench.lane.any_busy());
}

TEST(DeliveryLane, ARetryByHandOfOneInFlightStartsItsScheduleAnewWhenItFails) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.lane.restart(delivery_id{1});
    const auto finished = bench.end(1, attempt_result::gone, 4);
    EXPECT_EQ(finished.decision, (attempt_decision{delivery_state::pending, bench.now.wall}));
    EXPECT_EQ(finished.attempts, 0U);
    EXPECT_EQ(bench.take(), 1U);
}

TEST(DeliveryLane, ARetryByHandOfOneInFlightIsSatisfiedByItsSuccess) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.lane.restart(delivery_id{1});
    EXPECT_EQ(bench.end(1, attempt_result::delivered).decision.state, delivery_state::delivered);
}

TEST(DeliveryLane, ManyThatAreBeingRecordedHoldItBack) {
    lane_bench bench;
    std::uint64_t begun = 0;
    for (std::uint64_t id = 1; id <= 200; ++id) bench.owe(id);
    while (const auto id = bench.take()) {
        bench.lane.finish(delivery_id{*id}, 1, {attempt_result::delivered, {}}, bench.now, bench.random);
        ++begun;
    }
    EXPECT_EQ(begun, 2 * settings.max_in_flight + most_being_recorded);
    bench.lane.forget(delivery_id{1});
    EXPECT_TRUE(bench.take().has_value());
}

TEST(DeliveryLane, AClockThatStepsBackStallsNothing) {
    lane_bench bench;
    bench.owe(1);
    bench.take();
    bench.end(1, attempt_result::failed);
    bench.owe(2);
    bench.now.wall -= 8760h;
    bench.lane.on_clock_jump(bench.now);
    EXPECT_EQ(bench.take(), 2U) << "a fresh one is due at once";
    bench.pass(5250ms);
    EXPECT_EQ(bench.take(), 1U) << "no later than its schedule allows";
}

TEST(DeliveryLane, AClockThatStepsForwardDoesNotFlood) {
    lane_bench bench;
    for (std::uint64_t id = 1; id <= 20; ++id) {
        bench.lane.insert({delivery_id{id}, 3, bench.now.wall + 30min, id}, bench.now.wall);
    }
    bench.now.wall += 1h;
    bench.lane.on_clock_jump(bench.now);
    EXPECT_EQ(bench.take(), 1U);
    EXPECT_EQ(bench.take(), std::nullopt) << "ramped";
    bench.end(1, attempt_result::delivered);
    EXPECT_EQ(bench.take(), 2U);
    EXPECT_EQ(bench.take(), 3U);
}

TEST(DeliveryLane, ALookTooEarlyCostsNoAttempt) {
    lane_bench bench;
    bench.lane.insert({delivery_id{1}, 1, bench.now.wall + 2h, 1}, bench.now.wall);
    bench.pass(5250ms);
    const auto head = bench.lane.take(bench.now);
    ASSERT_TRUE(head.has_value());
    bench.lane.put_back(head->id, head->next_attempt_at);
    EXPECT_FALSE(bench.lane.any_busy());
    EXPECT_EQ(bench.lane.in_flight(), 0U);
    EXPECT_EQ(bench.lane.next_wake(bench.now), bench.now.steady + 2h - 5250ms);
}

TEST(DeliveryLane, AnUnconfiguredOneKeepsNothingInMemory) {
    lane_bench bench;
    bench.owe(1);
    bench.lane.configure(std::nullopt);
    EXPECT_EQ(bench.lane.waiting(), 0U);
    const std::vector<lane_head> first{{delivery_id{1}, 0, bench.now.wall, 1}};
    bench.lane.refill(first, bench.lane.refill_size(), bench.now.wall);
    EXPECT_EQ(bench.lane.waiting(), 0U);
    EXPECT_FALSE(bench.lane.idle());
}

TEST(DeliveryLane, AnUnconfiguredOneWithNothingPendingRemembersThatItDoes) {
    lane_bench bench;
    bench.lane.configure(std::nullopt);
    EXPECT_TRUE(bench.lane.idle());
    bench.owe(1);
    EXPECT_FALSE(bench.lane.idle());
    bench.lane.configure(settings);
    EXPECT_TRUE(bench.lane.wants_refill());
}

TEST(DeliveryLane, WhatTheStoreHasOfALoadedOneSaysWhatBecomesOfIt) {
    using verdict = delivery_lane::loaded_verdict::verdict;
    const lane_bench bench;
    const wall_time now = bench.now.wall;
    delivery_view stored{
        delivery_id{1},
        "evt",
        "transaction.completed",
        *transaction_id::parse("t"),
        "backend",
        delivery_state::pending,
        1,
        now - 10s,
        "",
        0,
        now};
    EXPECT_EQ(bench.lane.judge(&stored, now).what, verdict::ready);
    stored.next_attempt_at = now + 1s;
    EXPECT_EQ(bench.lane.judge(&stored, now).what, verdict::back);
    EXPECT_EQ(bench.lane.judge(&stored, now).due, now + 1s);
    stored.state = delivery_state::dead;
    EXPECT_EQ(bench.lane.judge(&stored, now).what, verdict::gone);
    EXPECT_EQ(bench.lane.judge(nullptr, now).what, verdict::gone);
}

TEST(DeliveryLane, WhatARecoveryIsAboutToFreeIsNotAttemptedBefore) {
    using verdict = delivery_lane::loaded_verdict::verdict;
    lane_bench bench;
    const wall_time since = bench.now.wall;
    const recovery_rule rule = bench.lane.begin_recovery(since, since + 10s);
    delivery_view stored{
        delivery_id{1},
        "evt",
        "transaction.completed",
        *transaction_id::parse("t"),
        "backend",
        delivery_state::pending,
        2,
        since + 1s,
        "",
        0,
        since + 11s};
    const wall_time later = since + 12s;
    ASSERT_TRUE(rule.ends({stored.attempts, stored.last_attempt_at, *stored.next_attempt_at}));
    EXPECT_EQ(bench.lane.judge(&stored, later).what, verdict::back) << "it came due while the store was at it";
    EXPECT_EQ(bench.lane.judge(&stored, later).due, later + recovery_look_interval);
    stored.next_attempt_at = since + 10s;
    EXPECT_EQ(bench.lane.judge(&stored, later).what, verdict::ready) << "the recovery leaves what was due";
    stored.next_attempt_at = since + 11s;
    bench.lane.end_recovery();
    EXPECT_EQ(bench.lane.judge(&stored, later).what, verdict::ready);
}

TEST(DeliveryLane, TheStepsOfAnAttemptHaveAnOrder) {
    lane_bench bench;
    bench.owe(1);
    EXPECT_THROW(bench.lane.loaded(delivery_id{1}), std::logic_error) << "it was not taken";
    ASSERT_TRUE(bench.lane.take(bench.now));
    EXPECT_THROW(bench.lane.begin(delivery_id{1}, bench.now.steady), std::logic_error) << "it is not loaded";
    bench.lane.loaded(delivery_id{1});
    EXPECT_THROW(bench.end(1, attempt_result::delivered), std::logic_error) << "it was not begun";
    bench.lane.begin(delivery_id{1}, bench.now.steady);
    EXPECT_EQ(bench.end(1, attempt_result::delivered).decision.state, delivery_state::delivered);
    EXPECT_THROW(bench.lane.forget(delivery_id{1}), std::logic_error) << "it is busy no more";
}

} // namespace
} // namespace prooftrack::track
