#include "track/store_pressure.hpp"

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

constexpr steady_time noon{12h};

TEST(StorePressure, ARefusedWriteIsTriedAgainAfterASecond) {
    store_pressure pressure;
    EXPECT_TRUE(pressure.is_open());
    pressure.refuse(noon);
    EXPECT_TRUE(pressure.is_full());
    EXPECT_EQ(pressure.try_at(), noon + 1s);
    EXPECT_FALSE(pressure.take_try(noon + 999ms));
    EXPECT_TRUE(pressure.take_try(noon + 1s));
    EXPECT_FALSE(pressure.take_try(noon + 2s)) << "used up";
    EXPECT_TRUE(pressure.is_full());
}

TEST(StorePressure, WhatTheStoreSaysOfItselfIsTriedOnlyForWhatWaits) {
    store_pressure pressure;
    pressure.report_full(false, noon);
    EXPECT_TRUE(pressure.is_full());
    EXPECT_EQ(pressure.try_at(), std::nullopt) << "it tells when it has room";
    pressure.report_full(true, noon + 5s);
    EXPECT_EQ(pressure.try_at(), noon + 6s);
    pressure.report_full(true, noon + 6s);
    EXPECT_EQ(pressure.try_at(), noon + 6s) << "the earlier try stays";
}

TEST(StorePressure, SpaceEndsItOnce) {
    store_pressure pressure;
    EXPECT_FALSE(pressure.relieve()) << "it was not full";
    pressure.refuse(noon);
    EXPECT_TRUE(pressure.relieve());
    EXPECT_TRUE(pressure.is_open());
    EXPECT_EQ(pressure.try_at(), std::nullopt);
    EXPECT_FALSE(pressure.relieve());
}

TEST(StorePressure, AFailedReadLeavesItOpenAndIsTriedAgain) {
    store_pressure pressure;
    pressure.fail(noon);
    EXPECT_TRUE(pressure.is_open());
    EXPECT_EQ(pressure.try_at(), noon + 1s);
    pressure.fail(noon + 500ms);
    EXPECT_EQ(pressure.try_at(), noon + 1s);
    EXPECT_FALSE(pressure.relieve()) << "room is no news to it, the try stays";
    EXPECT_EQ(pressure.try_at(), noon + 1s);
}

TEST(StorePressure, NothingEndsAHalt) {
    store_pressure pressure;
    pressure.refuse(noon);
    pressure.halt();
    EXPECT_TRUE(pressure.is_halted());
    pressure.refuse(noon);
    pressure.fail(noon);
    pressure.report_full(true, noon);
    EXPECT_FALSE(pressure.relieve());
    EXPECT_TRUE(pressure.is_halted());
    EXPECT_EQ(pressure.try_at(), std::nullopt);
}

TEST(StorePressure, AStopTriesNothingAnyMore) {
    store_pressure pressure;
    pressure.refuse(noon);
    pressure.give_up_trying();
    EXPECT_TRUE(pressure.is_full());
    EXPECT_FALSE(pressure.take_try(noon + 1h));
}

} // namespace
} // namespace prooftrack::track
