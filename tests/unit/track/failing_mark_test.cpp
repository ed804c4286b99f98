#include "track/failing_mark.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

TEST(FailingMark, WhatTheStoreHasIsTakenOverOnce) {
    failing_mark mark;
    EXPECT_TRUE(mark.take_over());
    EXPECT_FALSE(mark.take_over());
    EXPECT_FALSE(mark.is_writing());
    EXPECT_FALSE(mark.is_unsaved());
}

TEST(FailingMark, ALaneThatChangedKnowsBetterThanTheStore) {
    failing_mark mark;
    EXPECT_TRUE(mark.begin());
    EXPECT_FALSE(mark.take_over());
    EXPECT_FALSE(mark.end(mark_result::saved));
    EXPECT_FALSE(mark.take_over());
}

TEST(FailingMark, AChangeDuringAWriteIsWrittenAfterIt) {
    failing_mark mark;
    EXPECT_TRUE(mark.begin());
    EXPECT_FALSE(mark.begin()) << "one write at a time";
    EXPECT_FALSE(mark.begin());
    EXPECT_TRUE(mark.is_writing());
    EXPECT_TRUE(mark.end(mark_result::saved));
    EXPECT_FALSE(mark.is_writing());
    EXPECT_TRUE(mark.begin());
    EXPECT_FALSE(mark.end(mark_result::saved)) << "nothing is out of date any more";
}

TEST(FailingMark, WhatFoundAFullStoreIsPending) {
    failing_mark mark;
    mark.begin();
    EXPECT_FALSE(mark.end(mark_result::refused));
    EXPECT_TRUE(mark.is_unsaved());
    EXPECT_TRUE(mark.begin());
    EXPECT_FALSE(mark.is_unsaved());
}

TEST(FailingMark, AWriteThatFailedIsNotRepeated) {
    failing_mark mark;
    mark.begin();
    EXPECT_FALSE(mark.end(mark_result::failed));
    EXPECT_FALSE(mark.is_unsaved());
}

TEST(FailingMark, AChangeBehindAWriteThatFailedIsPending) {
    failing_mark mark;
    mark.begin();
    mark.begin();
    EXPECT_FALSE(mark.end(mark_result::failed));
    EXPECT_TRUE(mark.is_unsaved());
}

TEST(FailingMark, AnEndWithoutAWriteIsABrokenInvariant) {
    failing_mark mark;
    EXPECT_THROW(mark.end(mark_result::saved), std::logic_error);
}

} // namespace
} // namespace prooftrack::track
