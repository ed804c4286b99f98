#include "observe/repeat_guard.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "observe/event_table.hpp"

namespace prooftrack::observe {
namespace {

class RepeatGuard : public testing::Test {
  protected:
    bool admits(log_event_id event, std::vector<log_field> fields, std::chrono::milliseconds at) {
        return guard_.admits(event, fields, steady_time(at), summaries_);
    }
    bool error(const std::string& text, std::chrono::milliseconds at) {
        return admits(log_event_id::poll_error, {{"error", text}}, at);
    }

    repeat_guard guard_;
    std::vector<suppressed_lines> summaries_;
};

TEST_F(RepeatGuard, FiveLinesAMinuteForAnEventAndKey) {
    for (int i = 0; i < lines_per_window; ++i) EXPECT_TRUE(error("a", milliseconds(i)));
    EXPECT_FALSE(error("a", milliseconds(10)));
    EXPECT_FALSE(error("a", milliseconds(59'999)));
    EXPECT_TRUE(error("b", milliseconds(20))) << "another error is another key";
    EXPECT_TRUE(summaries_.empty());
}

TEST_F(RepeatGuard, APollsErrorIsLoggedOnceForATransaction) {
    const auto error_of = [this](const char* id, int at) {
        return admits(log_event_id::poll_error, {{"error", "500"}, {"merchant_transaction_id", id}}, milliseconds(at));
    };
    EXPECT_TRUE(error_of("a", 0));
    EXPECT_FALSE(error_of("a", 5'000)) << "not once a poll";
    EXPECT_TRUE(error_of("b", 5'001)) << "another one that has it is worth a line";
    EXPECT_FALSE(error_of("b", 10'000));
    EXPECT_FALSE(error_of("a", 10'001));
    EXPECT_TRUE(error_of("a", 60'000));
    ASSERT_EQ(summaries_.size(), 1U);
    EXPECT_EQ(summaries_[0].count, 3U);
}

TEST_F(RepeatGuard, TheSummaryComesWhenTheMinuteIsOver) {
    for (int i = 0; i < 8; ++i) error("a", milliseconds(i));
    guard_.expire(steady_time(milliseconds(59'999)), summaries_);
    EXPECT_TRUE(summaries_.empty());
    guard_.expire(steady_time(milliseconds(60'000)), summaries_);
    ASSERT_EQ(summaries_.size(), 1U);
    EXPECT_EQ(summaries_[0].event, log_event_id::poll_error);
    EXPECT_EQ(summaries_[0].same, "error=a");
    EXPECT_EQ(summaries_[0].count, 3U);
    EXPECT_TRUE(error("a", milliseconds(60'001))) << "a new minute";
}

TEST_F(RepeatGuard, ALaterLineBringsTheSummaryBeforeItself) {
    for (int i = 0; i < 6; ++i) error("a", milliseconds(i));
    EXPECT_TRUE(error("a", milliseconds(60'000)));
    ASSERT_EQ(summaries_.size(), 1U);
    EXPECT_EQ(summaries_[0].count, 1U);
}

TEST_F(RepeatGuard, NoSummaryWithoutSuppressedLines) {
    error("a", milliseconds(0));
    guard_.expire(steady_time(milliseconds(120'000)), summaries_);
    guard_.end_all(summaries_);
    EXPECT_TRUE(summaries_.empty());
}

TEST_F(RepeatGuard, AStopEndsEveryWindow) {
    for (int i = 0; i < 7; ++i) error("a", milliseconds(i));
    guard_.end_all(summaries_);
    ASSERT_EQ(summaries_.size(), 1U);
    EXPECT_EQ(summaries_[0].count, 2U);
}

TEST_F(RepeatGuard, LinesThatMustAllBeSeenAreNeverHeldBack) {
    for (int i = 0; i < 100; ++i) EXPECT_TRUE(admits(log_event_id::api_change, {{"uid", "1000"}}, milliseconds(i)));
}

TEST_F(RepeatGuard, WhatIsSaidOfOneTransactionIsNeverHeldBack) {
    const std::size_t more_than_keys = 3 * max_repeat_keys;
    for (const log_event_info& info : log_events()) {
        const bool is_fact = info.name.starts_with("transaction.") && info.id != log_event_id::transaction_downgrade;
        if (!is_fact && info.id != log_event_id::callback_delivered && info.id != log_event_id::callback_dead) continue;
        std::size_t written = 0;
        for (std::size_t i = 0; i < more_than_keys; ++i) {
            written +=
                admits(info.id, {{"merchant_transaction_id", std::to_string(i)}, {"callback", "shop"}}, milliseconds(i))
                    ? 1
                    : 0;
        }
        EXPECT_EQ(written, more_than_keys) << info.name;
    }
}

TEST_F(RepeatGuard, MemoryIsBoundedWhateverTheErrorsSay) {
    for (std::size_t i = 0; i < max_repeat_keys; ++i) EXPECT_TRUE(error(std::to_string(i), milliseconds(0)));
    int written = 0;
    for (int i = 0; i < 10'000; ++i) written += error("x" + std::to_string(i), milliseconds(1)) ? 1 : 0;
    EXPECT_EQ(written, lines_per_window);
    EXPECT_TRUE(admits(log_event_id::callback_failing, {{"callback", "shop"}}, milliseconds(2)))
        << "each event has its own rest";
    guard_.expire(steady_time(milliseconds(60'001)), summaries_);
    ASSERT_EQ(summaries_.size(), 1U);
    EXPECT_EQ(summaries_[0].same, "(many)");
    EXPECT_EQ(summaries_[0].count, 9'995U);
    EXPECT_TRUE(error("again", milliseconds(60'002)));
}

} // namespace
} // namespace prooftrack::observe
