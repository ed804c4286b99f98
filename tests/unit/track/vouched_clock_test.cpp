// That a clock was set is seen, and what vouches for it.

#include <gtest/gtest.h>

#include "track/clock_watch.hpp"
#include "track/vouched_clock.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::days;
using std::chrono::hours;

TEST(ClockWatch, DistinguishesASleepFromAClockThatWasSet) {
    clock_watch watch;
    instant now{steady_time(hours(3)), wall_time(hours(490'000))};
    steady_duration boot = hours(5);
    const auto pass = [&](seconds by) {
        now.steady += by;
        now.wall += by;
        boot += by;
    };
    EXPECT_FALSE(watch.look(now, boot));
    pass(seconds(10));
    now.wall += milliseconds(1'900); // drift
    EXPECT_FALSE(watch.look(now, boot));
    pass(seconds(10));
    now.wall += hours(1'440);
    auto step = watch.look(now, boot);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->set_by, hours(1'440));
    EXPECT_EQ(step->slept, milliseconds(0));
    pass(seconds(10));
    now.wall += hours(8);
    boot += hours(8);
    step = watch.look(now, boot);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->set_by, milliseconds(0));
    EXPECT_EQ(step->slept, hours(8));
    pass(seconds(10));
    now.wall -= hours(30);
    boot += hours(8);
    step = watch.look(now, boot);
    ASSERT_TRUE(step);
    EXPECT_EQ(step->set_by, -hours(38));
    EXPECT_EQ(step->slept, hours(8));
    pass(seconds(10));
    EXPECT_FALSE(watch.look(now, boot));
}

TEST(VouchedClock, FollowsADateOnlyWhenThreeAgreeAndNeverAgainstWhatItKnows) {
    vouched_clock clock;
    const wall_time wall{hours(490'000)};
    EXPECT_EQ(clock.on_date(wall + days(60), wall).moved, milliseconds(0));
    EXPECT_EQ(clock.on_date(wall - days(3), wall).moved, milliseconds(0)) << "another server's";
    EXPECT_EQ(clock.on_date(wall + days(60), wall).moved, milliseconds(0));
    EXPECT_EQ(clock.on_date(wall + days(60), wall).moved, milliseconds(0));
    EXPECT_EQ(clock.level(), vouched_clock::trust::none);
    EXPECT_EQ(clock.on_date(wall + days(60), wall).moved, days(60) + milliseconds(500));
    EXPECT_EQ(clock.level(), vouched_clock::trust::disputed);
    EXPECT_EQ(clock.on_date(wall + days(60), wall).moved, milliseconds(0));
    clock.on_set(days(60));
    EXPECT_EQ(clock.at(wall + days(60)), wall + days(60) + milliseconds(500)) << "goes on evenly";
    EXPECT_TRUE(clock.on_date(wall + days(60), wall + days(60)).has_agreed);
    EXPECT_EQ(clock.at(wall + days(60)), wall + days(60));
    for (int i = 0; i < 10; ++i) EXPECT_EQ(clock.on_date(wall - days(9), wall + days(60)).moved, milliseconds(0));
    EXPECT_EQ(clock.least(wall + days(60)), wall + days(60));
    clock.on_set(-days(1));
    EXPECT_EQ(clock.on_date(wall + days(59), wall + days(59)).moved, -days(1)) << "both went back together";
}

TEST(VouchedClock, ThatAgreedForWantOfADateYieldsToThree) {
    vouched_clock clock;
    const wall_time wall{hours(490'000)};
    EXPECT_TRUE(clock.on_no_date().has_agreed);
    for (int i = 0; i < 3; ++i) clock.on_date(wall - days(30), wall);
    EXPECT_EQ(clock.level(), vouched_clock::trust::disputed);
    EXPECT_EQ(clock.least(wall), wall - days(30) + milliseconds(500));
}

TEST(VouchedClock, WhoseWallClockIsAheadNotesByItAndIsSureOfTheDateAlone) {
    vouched_clock clock;
    const wall_time wall{hours(490'000)};
    for (int i = 0; i < 3; ++i) EXPECT_EQ(clock.on_date(wall - days(30), wall).moved, milliseconds(0));
    EXPECT_EQ(clock.level(), vouched_clock::trust::disputed);
    EXPECT_EQ(clock.at(wall), wall);
    EXPECT_EQ(clock.least(wall), wall - days(30) + milliseconds(500));
    clock.on_date(wall + days(5), wall);
    EXPECT_EQ(clock.least(wall), wall - days(30) + milliseconds(500)) << "one odd Date says nothing";
    clock.on_set(-days(30));
    EXPECT_EQ(clock.at(wall - days(30)), wall);
    EXPECT_LE(clock.least(wall - days(30)), wall - days(30) + milliseconds(500));
    EXPECT_EQ(clock.on_date(wall - days(30), wall - days(30)).moved, -days(30));
}

TEST(ClockWatch, TwoSecondsAreDriftAndMoreIsNot) {
    for (const int sign : {1, -1}) {
        for (const int off : {2'000, 2'001}) {
            clock_watch set;
            instant now{steady_time(hours(3)), wall_time(hours(490'000))};
            set.look(now, hours(5));
            now.steady += seconds(10);
            now.wall += seconds(10) + milliseconds(sign * off);
            const auto step = set.look(now, hours(5) + seconds(10));
            EXPECT_EQ(step.has_value(), off > 2'000) << sign;
            if (step) {
                EXPECT_EQ(step->set_by, milliseconds(sign * off));
                EXPECT_EQ(step->slept, milliseconds(0));
            }
        }
    }
    for (const int slept : {2'000, 2'001}) {
        clock_watch watch;
        instant now{steady_time(hours(3)), wall_time(hours(490'000))};
        watch.look(now, hours(5));
        now.steady += seconds(10);
        now.wall += seconds(10) + milliseconds(slept);
        const auto step = watch.look(now, hours(5) + seconds(10) + milliseconds(slept));
        EXPECT_EQ(step.has_value(), slept > 2'000);
        if (step) {
            EXPECT_EQ(step->slept, milliseconds(slept));
            EXPECT_EQ(step->set_by, milliseconds(0));
        }
    }
}

TEST(VouchedClock, HalfAMinuteIsNoContradictionAndMoreIsOne) {
    const wall_time wall{hours(490'000)};
    for (const int sign : {1, -1}) {
        for (const int off : {30'000, 30'001}) {
            vouched_clock clock;
            const wall_time date = wall + milliseconds(sign * off - 500); // a Date is cut to seconds
            EXPECT_EQ(clock.on_date(date, wall).has_agreed, off == 30'000) << sign;
            EXPECT_EQ(clock.on_date(date, wall).moved, milliseconds(0));
            clock.on_date(date, wall);
            EXPECT_EQ(clock.level(), off == 30'000 ? vouched_clock::trust::agreed : vouched_clock::trust::disputed);
            EXPECT_EQ(clock.at(wall), off == 30'000 || sign < 0 ? wall : wall + milliseconds(off));
        }
    }
}

TEST(VouchedClock, ClaimsThatDriftByMoreThanHalfAMinuteBeginAnew) {
    const wall_time wall{hours(490'000)};
    for (const int drift : {30'000, 30'001}) {
        vouched_clock clock;
        clock.on_date(wall + days(1), wall);
        clock.on_date(wall + days(1) + milliseconds(drift), wall);
        const milliseconds moved = clock.on_date(wall + days(1), wall).moved;
        EXPECT_EQ(moved, drift == 30'000 ? days(1) + milliseconds(500) : milliseconds(0)) << "the first of the row";
    }
}

TEST(VouchedClock, AClockThatWasSetStartsTheCountOfClaimsAnew) {
    const wall_time wall{hours(490'000)};
    vouched_clock clock;
    clock.on_date(wall + days(1), wall);
    clock.on_date(wall + days(1), wall);
    clock.on_set(seconds(10));
    EXPECT_EQ(clock.on_date(wall + days(1), wall).moved, milliseconds(0));
    clock.on_date(wall + days(1), wall);
    EXPECT_EQ(clock.level(), vouched_clock::trust::none);
    clock.on_date(wall + days(1), wall);
    EXPECT_EQ(clock.level(), vouched_clock::trust::disputed);
}

TEST(VouchedClock, NoDateSaysNothingOnceThereWasOne) {
    vouched_clock clock;
    const wall_time wall{hours(490'000)};
    clock.on_date(wall + days(1), wall);
    EXPECT_FALSE(clock.on_no_date().has_agreed);
    EXPECT_EQ(clock.level(), vouched_clock::trust::none);
    vouched_clock silent;
    EXPECT_TRUE(silent.on_no_date().has_agreed);
    EXPECT_FALSE(silent.on_no_date().has_agreed) << "once";
}

} // namespace
} // namespace prooftrack::track
