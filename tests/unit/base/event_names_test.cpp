#include "base/event_names.hpp"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

std::ptrdiff_t selected_by(std::string_view pattern) {
    return std::count_if(selectable_events.begin(), selectable_events.end(), [&](std::string_view event) {
        return pattern_selects(pattern, event);
    });
}

TEST(EventPatterns, AStarStandsForAnyRunOfCharacters) {
    for (const char* all : {"*", "**", "transaction.*", "*.*", "t*n.*", "tran*saction.*"})
        EXPECT_EQ(selected_by(all), 8) << all << ": all but transaction.updated";
    EXPECT_EQ(selected_by("*ed"), 6);
    EXPECT_TRUE(pattern_selects("transaction.*ed", "transaction.failed"));
    EXPECT_TRUE(pattern_selects("t*n.*e*d", "transaction.completed"));
    EXPECT_TRUE(pattern_selects("***d", "transaction.completed"));
    EXPECT_TRUE(pattern_selects("transaction.completed*", "transaction.completed"));
    EXPECT_TRUE(pattern_selects("*transaction.completed", "transaction.completed"));
    EXPECT_TRUE(pattern_selects("*_*", "transaction.not_found"));
    EXPECT_FALSE(pattern_selects("*_*", "transaction.failed"));
    EXPECT_FALSE(pattern_selects("transaction.c*", "transaction.failed"));
    EXPECT_EQ(selected_by("tran*saction.*over*"), 1);
}

TEST(EventPatterns, WithoutAStarANameSelectsItselfAlone) {
    for (const std::string_view event : selectable_events) {
        EXPECT_EQ(selected_by(event), 1) << event;
        EXPECT_TRUE(pattern_selects(event, event));
    }
    for (const char* none :
         {"", "x", "transaction", "Transaction.*", "transaction.complete", "transaction.reversed ", "callback.*",
          "payment.*"})
        EXPECT_EQ(selected_by(none), 0) << none;
}

TEST(EventPatterns, UpdatedNeedsItsFullName) {
    EXPECT_TRUE(pattern_selects("transaction.updated", "transaction.updated"));
    for (const char* pattern : {"*", "transaction.*", "transaction.up*", "*updated", "transaction.updated*"})
        EXPECT_FALSE(pattern_selects(pattern, "transaction.updated")) << pattern;
}

TEST(EventPatterns, WhatIsSentByHandAloneIsSelectedByNothing) {
    for (const char* pattern : {"*", "callback.*", "callback.test"})
        EXPECT_FALSE(pattern_selects(pattern, "callback.test")) << pattern;
}

TEST(EventPatterns, ManyStarsCostNoMoreThanPatternTimesText) {
    std::string stars;
    for (int i = 0; i < 2'000; ++i) stars += "*e";
    EXPECT_FALSE(pattern_selects(stars, "transaction.reversed")) << "exponential, and this test would not end";
}

} // namespace
} // namespace prooftrack
