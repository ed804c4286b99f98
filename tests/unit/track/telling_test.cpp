// What the core tells of itself and of the transactions, for the log.

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

TEST(Telling, AnUnknownStatusIsReportedOnceAndAtMostAHundredOfThem) {
    tracker_fixture world;
    world.track("a");
    world.track("b");
    std::vector<odd_status_action> reported;
    const auto hear = [&](const std::string& word) {
        const auto poll = world.wait_for_poll();
        world.answer(*poll, reply_class::good, word);
        for (const auto& one : world.all<odd_status_action>()) reported.push_back(one);
        if (!world.all<change_action>().empty()) world.recorded();
    };
    hear("pending");
    EXPECT_TRUE(reported.empty());
    for (int i = 0; i < 4; ++i) hear("odd"); // of both
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].word, "odd");
    EXPECT_FALSE(reported[0].is_downgrade);
    for (int i = 0; i < 150; ++i) hear("odd " + std::to_string(i));
    EXPECT_EQ(reported.size(), 100U);
}

TEST(Telling, AnErrorOfOneIsReportedUntilItIsAnswered) {
    tracker_fixture world;
    world.track("a");
    const row_ref row = *world.core.find("a");
    poll_answer reply;
    reply.what = reply_class::server_error;
    reply.error = "502";
    reply.request_id = "request-7";
    for (const std::uint32_t errors : {1U, 2U}) {
        world.answer(*world.wait_for_poll(), reply);
        const auto reported = world.only<poll_error_action>();
        EXPECT_EQ(reported.id, "a");
        EXPECT_EQ(reported.what, reply_class::server_error);
        EXPECT_EQ(reported.error, "502");
        EXPECT_EQ(reported.errors_in_row, errors);
        EXPECT_EQ(reported.request_id, "request-7");
        EXPECT_EQ(world.core.live(row, world.now).consecutive_errors, errors);
        EXPECT_EQ(world.core.live(row, world.now).last_error, "502");
    }
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    const auto change = world.only<change_action>();
    EXPECT_EQ(change.facts.polls, 3U);
    EXPECT_EQ(change.facts.last_polled_at, world.now.wall);
    world.recorded();
    EXPECT_EQ(world.core.live(row, world.now).consecutive_errors, 0U);
    EXPECT_EQ(world.core.live(row, world.now).last_error, "");
}

TEST(Telling, ADowngradeIsReportedWithBothStatuses) {
    tracker_fixture world;
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "failed");
    world.recorded();
    world.answer(*world.wait_for_poll(hours(1)), reply_class::good, "pending");
    const auto reported = world.only<odd_status_action>();
    EXPECT_EQ(reported.id, "a");
    EXPECT_EQ(reported.status, "failed");
    EXPECT_EQ(reported.word, "pending");
    EXPECT_TRUE(reported.is_downgrade);
}

TEST(Telling, AProofWhoseClockIsOffIsReportedOnce) {
    tracker_fixture world;
    world.track("a");
    std::vector<clock_skew_action> reported;
    for (int i = 0; i < 40; ++i) {
        const auto poll = world.wait_for_poll(minutes(1));
        ASSERT_TRUE(poll);
        poll_answer reply;
        reply.what = reply_class::unchanged;
        reply.server_date = world.now.wall + seconds(40);
        world.answer(*poll, reply);
        for (const auto& one : world.all<clock_skew_action>()) reported.push_back(one);
        if (!world.all<change_action>().empty()) world.recorded();
    }
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].skew, milliseconds(40'500));
}

} // namespace
} // namespace prooftrack::track
