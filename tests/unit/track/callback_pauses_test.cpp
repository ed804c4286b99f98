#include "track/callback_pauses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr wall_time at(seconds since) { return wall_time(1'775'037'600'000ms) + since; }
constexpr steady_time tick(steady_duration since) { return steady_time(10h) + since; }

TEST(CallbackPauses, APauseLastsUntilItIsEnded) {
    callback_pauses pauses;
    EXPECT_FALSE(pauses.contains("shop"));
    EXPECT_TRUE(pauses.begin("shop", at(1s), tick(0s)));
    EXPECT_TRUE(pauses.contains("shop"));
    EXPECT_FALSE(pauses.contains("sho"));
    EXPECT_EQ(pauses.end("shop"), at(1s));
    EXPECT_FALSE(pauses.contains("shop"));
    EXPECT_EQ(pauses.end("shop"), std::nullopt);
}

TEST(CallbackPauses, ASecondBeginningChangesNothing) {
    callback_pauses pauses;
    pauses.begin("shop", at(1s), tick(0s));
    EXPECT_FALSE(pauses.begin("shop", at(9s), tick(30min)));
    EXPECT_EQ(pauses.all(), (std::map<std::string, wall_time>{{"shop", at(1s)}}));
    EXPECT_THAT(pauses.take_reminders(tick(1h)), ElementsAre("shop"));
}

TEST(CallbackPauses, EachIsToldOfOnceAnHour) {
    callback_pauses pauses;
    pauses.begin("shop", at(0s), tick(0s));
    pauses.begin("ledger", at(0s), tick(1min));
    EXPECT_THAT(pauses.take_reminders(tick(1h - 1ns)), IsEmpty());
    EXPECT_THAT(pauses.take_reminders(tick(1h)), ElementsAre("shop"));
    EXPECT_THAT(pauses.take_reminders(tick(1h)), IsEmpty());
    EXPECT_THAT(pauses.take_reminders(tick(2h + 1min)), ElementsAre("ledger", "shop"));
    pauses.end("ledger");
    EXPECT_THAT(pauses.take_reminders(tick(9h)), ElementsAre("shop"));
}

} // namespace
} // namespace prooftrack::track
