#include "track/shared_limit.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

constexpr lane_number early{1};
constexpr lane_number late{2};

TEST(SharedLimit, CountsWhatIsTakenAndGivenBack) {
    shared_limit limit(2);
    limit.take();
    EXPECT_TRUE(limit.has_room());
    limit.take();
    EXPECT_FALSE(limit.has_room());
    EXPECT_EQ(limit.used(), 2U);
    limit.give_back();
    EXPECT_TRUE(limit.has_room());
}

TEST(SharedLimit, MoreThanThereIsIsABrokenInvariant) {
    shared_limit limit(1);
    EXPECT_THROW(limit.give_back(), std::logic_error);
    limit.take();
    EXPECT_THROW(limit.take(), std::logic_error);
    EXPECT_EQ(limit.used(), 1U);
}

TEST(SharedLimit, WhoWaitedLongestIsNextOnceThereIsRoom) {
    shared_limit limit(1);
    limit.take();
    limit.wait(late);
    limit.wait(early);
    EXPECT_EQ(limit.next(), std::nullopt) << "there is no room yet";
    limit.give_back();
    EXPECT_EQ(limit.next(), late);
    EXPECT_FALSE(limit.waits(late));
    EXPECT_TRUE(limit.waits(early));
    EXPECT_EQ(limit.next(), early);
    EXPECT_FALSE(limit.any_waits());
    EXPECT_EQ(limit.next(), std::nullopt);
}

TEST(SharedLimit, ALowerBoundWaitsForWhatIsTakenAndAHigherOneHoldsAtOnce) {
    shared_limit limit(3);
    for (int i = 0; i < 3; ++i) limit.take();
    limit.set(1);
    limit.give_back();
    limit.give_back();
    EXPECT_FALSE(limit.has_room());
    limit.set(2);
    EXPECT_TRUE(limit.has_room());
    EXPECT_EQ(limit.used(), 1U);
}

TEST(SharedLimit, WhoWaitsAlreadyKeepsItsPlace) {
    shared_limit limit(1);
    limit.wait(early);
    limit.wait(late);
    limit.wait(early);
    EXPECT_EQ(limit.next(), early);
    EXPECT_EQ(limit.next(), late);
    EXPECT_EQ(limit.next(), std::nullopt);
}

} // namespace
} // namespace prooftrack::track
