// That a clock was set is seen, and what vouches for it.

#include <gtest/gtest.h>

#include "track/clock_watch.hpp"
#include "track/vouched_clock.hpp"

namespace prooftrack {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

TEST(ClockWatch, TellsASleepFromAClockThatWasSet) {
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

} // namespace
} // namespace prooftrack
