#include "track/delivery_policy.hpp"

#include <array>
#include <stdexcept>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

constexpr wall_time noon{milliseconds(1'775'044'800'000)};
const std::vector<milliseconds> contract_schedule{5s, 5min, 30min, 2h, 5h, 10h, 10h};

attempt_decision failed(
    std::uint32_t attempts, std::optional<milliseconds> retry_after = std::nullopt, std::uint64_t seed = 1) {
    random_source random(seed);
    return after_attempt({attempt_result::failed, retry_after}, attempts, contract_schedule, noon, random);
}

delivery_view seen(std::uint32_t attempts, wall_time last, wall_time next) {
    return {
        delivery_id{1},
        "evt",
        "transaction.completed",
        *transaction_id::parse("t1"),
        "backend",
        delivery_state::pending,
        attempts,
        last,
        "500",
        500,
        next};
}

TEST(DeliveryPolicy, ASuccessEndsTheDelivery) {
    random_source random(1);
    const auto decision = after_attempt({attempt_result::delivered, {}}, 1, contract_schedule, noon, random);
    EXPECT_EQ(decision, (attempt_decision{delivery_state::delivered, std::nullopt}));
}

TEST(DeliveryPolicy, GoneIsDeadAtOnceEvenOnTheFirstAttempt) {
    random_source random(1);
    const auto decision = after_attempt({attempt_result::gone, 5s}, 1, contract_schedule, noon, random);
    EXPECT_EQ(decision, (attempt_decision{delivery_state::dead, std::nullopt}));
}

TEST(DeliveryPolicy, WaitsByTheScheduleAndIsDeadAfterOneMoreAttemptThanItHasSteps) {
    for (std::uint32_t attempts = 1; attempts <= contract_schedule.size(); ++attempts) {
        const auto decision = failed(attempts);
        ASSERT_EQ(decision.state, delivery_state::pending) << attempts;
        EXPECT_GE(*decision.next_attempt_at, noon + contract_schedule[attempts - 1]) << attempts;
    }
    EXPECT_EQ(failed(8).state, delivery_state::dead);
}

TEST(DeliveryPolicy, AnEmptyScheduleMeansOneAttempt) {
    random_source random(1);
    EXPECT_EQ(after_attempt({}, 1, {}, noon, random).state, delivery_state::dead);
}

TEST(DeliveryPolicy, RetryAfterNeverShortensTheSchedule) {
    EXPECT_EQ(failed(2, 1s), failed(2)); // 5 min
}

TEST(DeliveryPolicy, RetryAfterLengthensTheWait) { EXPECT_EQ(*failed(1, 90s).next_attempt_at, noon + 90s); }

TEST(DeliveryPolicy, RetryAfterIsCutAtADay) { EXPECT_EQ(*failed(1, 240h).next_attempt_at, noon + 24h); }

TEST(DeliveryPolicy, AScheduleLongerThanADayIsNotCutByRetryAfter) {
    random_source random(1);
    const std::array<milliseconds, 1> slow{72h};
    EXPECT_GE(*after_attempt({attempt_result::failed, 1h}, 1, slow, noon, random).next_attempt_at, noon + 72h);
}

TEST(DeliveryPolicy, ANegativeRetryAfterIsHarmless) { EXPECT_EQ(failed(1, -5h), failed(1)); }

RC_GTEST_PROP(DeliveryPolicy, JitterIsNeverEarlyAndAtMostAFive, ()) {
    const auto seed = *rc::gen::arbitrary<std::uint64_t>();
    const auto steps = *rc::gen::container<std::vector<milliseconds>>(rc::gen::map(
        rc::gen::inRange<std::int64_t>(0, 48 * 3'600'000), [](std::int64_t ms) { return milliseconds(ms); }));
    const auto attempts = *rc::gen::inRange<std::uint32_t>(1, 12);
    const auto asked = *rc::gen::maybe(rc::gen::map(
        rc::gen::inRange<std::int64_t>(-10'000, 200'000'000), [](std::int64_t ms) { return milliseconds(ms); }));
    random_source random(seed);
    const attempt_ending ending{attempt_result::failed, asked ? std::optional(*asked) : std::nullopt};
    const auto decision = after_attempt(ending, attempts, steps, noon, random);
    if (attempts > steps.size()) {
        RC_ASSERT(decision.state == delivery_state::dead);
        return;
    }
    const milliseconds step = steps[attempts - 1];
    const milliseconds wait = *decision.next_attempt_at - noon;
    const milliseconds honoured = asked ? std::min<milliseconds>(*asked, 24h) : 0ms;
    RC_ASSERT(wait >= step);
    RC_ASSERT(wait >= honoured);
    RC_ASSERT(wait <= std::max(step + step / 20, honoured));
}

TEST(DeliveryPolicy, ARetryAfterCountsWith429And503Alone) {
    EXPECT_EQ(honoured_retry_after(429, 90s), 90s);
    EXPECT_EQ(honoured_retry_after(503, 90s), 90s);
    EXPECT_EQ(honoured_retry_after(500, 90s), std::nullopt);
    EXPECT_EQ(honoured_retry_after(0, 90s), std::nullopt);
    EXPECT_EQ(honoured_retry_after(429, std::nullopt), std::nullopt);
}

TEST(DeliveryPolicy, JitterReallySpreads) {
    milliseconds least = 24h;
    milliseconds most = 0ms;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        const milliseconds wait = *failed(2, std::nullopt, seed).next_attempt_at - noon;
        least = std::min(least, wait);
        most = std::max(most, wait);
    }
    EXPECT_LT(least, 5min + 1s);
    EXPECT_GT(most, 5min + 14s);
}

TEST(DeliveryPolicy, AClockThatSteppedBackHoldsADeliveryNoLongerThanItsSchedule) {
    EXPECT_EQ(look_at(noon + 8760h, 1, contract_schedule, noon), noon + 5250ms);
    EXPECT_EQ(look_at(noon + 8760h, 0, contract_schedule, noon), noon);
    EXPECT_EQ(look_at(noon - 1h, 3, contract_schedule, noon), noon - 1h);
    EXPECT_EQ(look_at(noon + 1s, 1, contract_schedule, noon), noon + 1s);
}

TEST(DeliveryPolicy, ALongRetryAfterIsStillWaitedForAfterARestart) {
    EXPECT_FALSE(may_attempt(seen(1, noon - 1min, noon + 2h), contract_schedule, noon));
}

TEST(DeliveryPolicy, ATimeThatMakesNoSenseIsNotWaitedFor) {
    EXPECT_TRUE(may_attempt(seen(1, noon + 1h, noon + 2h), contract_schedule, noon))
        << "the last attempt lies in the future";
    EXPECT_TRUE(may_attempt(seen(1, noon - 1h, noon + 30h), contract_schedule, noon)) << "no wait is as long as that";
    EXPECT_TRUE(may_attempt(seen(0, noon - 1h, noon + 2h), contract_schedule, noon)) << "a fresh one is due";
}

TEST(DeliveryPolicy, WhatIsDueMayBeAttempted) {
    EXPECT_TRUE(may_attempt(seen(3, noon - 1h, noon), contract_schedule, noon));
    EXPECT_FALSE(may_attempt(seen(3, noon - 1h, noon + 1ms), contract_schedule, noon));
}

TEST(DeliveryPolicy, ARecoveryEndsTheWaitOfWhatWasTriedWhileTheCallbackFailed) {
    const auto ends = [](std::uint32_t attempts, std::optional<wall_time> last, wall_time next) {
        return ends_with_recovery({attempts, last, next}, noon, contract_schedule, noon + 1min);
    };
    EXPECT_TRUE(ends(2, noon + 1s, noon + 5min));
    EXPECT_TRUE(ends(2, noon, noon + 5min + 15s)) << "the first failure of the row, with its jitter";
    EXPECT_FALSE(ends(2, noon - 1ms, noon + 5min)) << "tried before: its own failure";
    EXPECT_TRUE(ends(2, noon + 1min, noon + 5min)) << "the last one that failed";
    EXPECT_FALSE(ends(2, noon + 1min + 1ms, noon + 5min)) << "tried after the recovery: its own failure";
    EXPECT_FALSE(ends(2, noon + 1s, noon + 1min)) << "due already";
    EXPECT_FALSE(ends(2, noon + 1s, noon + 10min)) << "a Retry-After asked for more than the schedule";
    EXPECT_FALSE(ends(0, noon + 1s, noon + 5min)) << "started anew by hand";
    EXPECT_FALSE(ends(2, std::nullopt, noon + 5min));
}

TEST(DeliveryPolicy, OnlyAWaitCanMakeSense) {
    delivery_view waits_for_nothing = seen(1, noon, noon);
    waits_for_nothing.next_attempt_at.reset();
    EXPECT_THROW(is_explained(waits_for_nothing, contract_schedule, noon), std::logic_error);
    EXPECT_TRUE(may_attempt(waits_for_nothing, contract_schedule, noon));
}

} // namespace
} // namespace prooftrack::track
