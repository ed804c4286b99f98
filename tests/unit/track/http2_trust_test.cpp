#include "track/http2_trust.hpp"

#include <gtest/gtest.h>

#include "start.hpp"

namespace prooftrack::track {
namespace {

TEST(Http2Trust, EndsForTenMinutesAfterTwentyFailuresInARow) {
    http2_trust trust;
    for (int i = 0; i < 19; ++i) trust.note(false, start);
    EXPECT_FALSE(trust.is_forbidden(start));
    trust.note(false, start);
    EXPECT_TRUE(trust.is_forbidden(start));
    EXPECT_TRUE(trust.is_forbidden(start + std::chrono::minutes(10) - milliseconds(1)));
    EXPECT_FALSE(trust.is_forbidden(start + std::chrono::minutes(10)));
    for (int i = 0; i < 19; ++i) trust.note(false, start + std::chrono::minutes(10));
    EXPECT_FALSE(trust.is_forbidden(start + std::chrono::minutes(10))) << "it begins again";
}

TEST(Http2Trust, OneGoodReplyBeginsTheCountAgain) {
    http2_trust trust;
    for (int i = 0; i < 19; ++i) trust.note(false, start);
    EXPECT_FALSE(trust.has_worked_since(start));
    trust.note(true, start);
    EXPECT_TRUE(trust.has_worked_since(start));
    EXPECT_FALSE(trust.has_worked_since(start + milliseconds(1)));
    for (int i = 0; i < 19; ++i) trust.note(false, start);
    EXPECT_FALSE(trust.is_forbidden(start));
}

TEST(Http2Trust, WhatTheServerForbidsStaysForbidden) {
    http2_trust trust;
    trust.forbid();
    for (int i = 0; i < 20; ++i) trust.note(false, start);
    trust.note(true, start);
    EXPECT_TRUE(trust.is_forbidden(start + std::chrono::hours(24 * 365)));
}

} // namespace
} // namespace prooftrack::track
