#include "track/delivery_health.hpp"

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;
using change = delivery_health::change;

constexpr instant start{steady_time(1h), wall_time(1'775'044'800'000ms)};

instant later(milliseconds span) { return {start.steady + span, start.wall + span}; }

delivery_health failing() {
    delivery_health health;
    for (std::uint64_t transaction = 1; transaction <= 5; ++transaction) health.on_failure(transaction, start);
    return health;
}

TEST(DeliveryHealth, FiveFailuresInARowOverThreeTransactionsAreFailing) {
    delivery_health health;
    EXPECT_EQ(health.on_failure(1, start), change::none);
    EXPECT_EQ(health.on_failure(2, start), change::none);
    EXPECT_EQ(health.on_failure(3, start), change::none);
    EXPECT_EQ(health.on_failure(1, start), change::none);
    EXPECT_EQ(health.on_failure(2, later(7s)), change::turned_failing);
    EXPECT_EQ(health.failing_since(), start.wall) << "nothing has succeeded since the first of the row";
}

TEST(DeliveryHealth, ManyFailuresOfTwoTransactionsAreNot) {
    delivery_health health;
    for (int i = 0; i < 50; ++i) EXPECT_EQ(health.on_failure(i % 2 == 0 ? 1 : 2, start), change::none);
    EXPECT_EQ(health.on_failure(3, start), change::turned_failing);
}

TEST(DeliveryHealth, ASuccessBreaksTheRow) {
    delivery_health health;
    for (std::uint64_t transaction = 1; transaction <= 4; ++transaction) health.on_failure(transaction, start);
    EXPECT_EQ(health.on_success(), change::none);
    for (std::uint64_t transaction = 1; transaction <= 4; ++transaction) {
        EXPECT_EQ(health.on_failure(transaction, start), change::none);
    }
    EXPECT_EQ(health.on_failure(5, start), change::turned_failing);
}

TEST(DeliveryHealth, WhileFailingOneAttemptEveryThirtySeconds) {
    delivery_health health = failing();
    EXPECT_EQ(health.limit(16), 1U);
    EXPECT_EQ(health.next_try(), start.steady + 30s);
    health.on_start(later(31s).steady);
    EXPECT_EQ(health.on_failure(1, later(40s)), change::none) << "it is failing already";
    EXPECT_EQ(health.next_try(), later(61s).steady) << "counted from start to start";
}

TEST(DeliveryHealth, TheFirstSuccessEndsItAndTheRestIsRamped) {
    delivery_health health = failing();
    EXPECT_EQ(health.on_success(), change::recovered);
    EXPECT_FALSE(health.failing());
    EXPECT_EQ(health.next_try(), std::nullopt);
    std::vector<std::size_t> limits;
    for (int i = 0; i < 6; ++i) {
        limits.push_back(health.limit(16));
        health.on_success();
    }
    EXPECT_EQ(limits, (std::vector<std::size_t>{1, 2, 4, 8, 16, 16}));
}

TEST(DeliveryHealth, AFailureInTheRampHalvesIt) {
    delivery_health health = failing();
    health.on_success();
    for (int i = 0; i < 3; ++i) health.on_success();
    EXPECT_EQ(health.limit(16), 8U);
    health.on_failure(9, start);
    EXPECT_EQ(health.limit(16), 4U);
    for (int i = 0; i < 3; ++i) health.on_failure(9, start);
    EXPECT_EQ(health.limit(16), 1U);
}

TEST(DeliveryHealth, ItTakesAWholeNewRowToFailAgain) {
    delivery_health health = failing();
    health.on_success();
    for (std::uint64_t transaction = 1; transaction <= 4; ++transaction) {
        EXPECT_EQ(health.on_failure(transaction, start), change::none);
    }
    EXPECT_EQ(health.on_failure(5, start), change::turned_failing);
}

TEST(DeliveryHealth, FailingSurvivesARestartAndWaitsAWholeInterval) {
    delivery_health health;
    health.resume_failing(start.wall - 2h, start.steady);
    EXPECT_TRUE(health.failing());
    EXPECT_EQ(health.failing_since(), start.wall - 2h);
    EXPECT_EQ(health.next_try(), start.steady + 30s);
    EXPECT_EQ(health.limit(16), 1U);
}

TEST(DeliveryHealth, TheRampEndsForEveryLimit) {
    delivery_health health = failing();
    health.on_success();
    for (int i = 0; i < 20; ++i) health.on_success();
    EXPECT_EQ(health.limit(1'000'000), 1'000'000U);
}

} // namespace
} // namespace prooftrack::track
