#include "base/recent_window.hpp"

#include <stdexcept>
#include <string>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

TEST(RecentWindow, KeepsTheNewestByNumber) {
    recent_window<std::string> window(2, 1'000);
    EXPECT_TRUE(window.empty());
    EXPECT_FALSE(window.reaches(0));
    window.push(5, "five", 4);
    window.push(6, "six", 3);
    EXPECT_TRUE(window.reaches(5));
    window.push(7, "seven", 5);
    EXPECT_FALSE(window.reaches(5));
    EXPECT_EQ(window.at(6), "six");
    EXPECT_EQ(window.at(7), "seven");
    EXPECT_FALSE(window.reaches(8));
    EXPECT_EQ(window.begin(), 6U);
    EXPECT_EQ(window.end(), 8U);
}

TEST(RecentWindow, KeepsTheNewestByBytesAndAlwaysOne) {
    recent_window<int> window(100, 10);
    window.push(1, 1, 6);
    window.push(2, 2, 4);
    EXPECT_TRUE(window.reaches(1));
    window.push(3, 3, 1);
    EXPECT_EQ(window.begin(), 2U);
    window.push(4, 4, 99);
    EXPECT_EQ(window.begin(), 4U);
    EXPECT_EQ(window.at(4), 4);
    window.push(5, 5, 10);
    EXPECT_EQ(window.begin(), 5U);
}

TEST(RecentWindow, HasNoGaps) {
    recent_window<int> window(100, 1'000);
    window.push(1, 1, 1);
    window.push(3, 3, 1);
    EXPECT_FALSE(window.reaches(1));
    EXPECT_TRUE(window.reaches(3));
    window.push(4, 4, 1);
    window.drop_before(4);
    EXPECT_EQ(window.begin(), 4U);
    window.drop_before(9);
    EXPECT_TRUE(window.empty());
    window.push(2, 2, 1);
    window.clear();
    EXPECT_TRUE(window.empty());
    window.push(9, 9, 1'000);
    window.push(10, 10, 1);
    EXPECT_EQ(window.begin(), 10U) << "the bytes of what was cleared count no more";
}

TEST(RecentWindow, GivesOnlyWhatItHolds) {
    recent_window<int> window(100, 1'000);
    EXPECT_THROW(window.begin(), std::logic_error);
    EXPECT_THROW(window.at(0), std::logic_error);
    window.push(1, 1, 1);
    EXPECT_THROW(window.at(2), std::logic_error);
}

} // namespace
} // namespace prooftrack
