#include "observe/render.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::observe {
namespace {

using testing::HasSubstr;

std::string rendered(log_format format, log_event_id event, log_level level, const std::vector<log_field>& fields) {
    std::string out;
    render(out, format, {wall_time(milliseconds(1'775'037'825'120)), event, level, fields});
    return out;
}

const std::vector<log_field> failed_delivery{
    {"callback", "shop"}, {"error", "connect: \"refused\"\nevent=daemon.started"}, {"attempt", 3}, {"status", ""}};

TEST(Render, Logfmt) {
    EXPECT_EQ(
        rendered(log_format::logfmt, log_event_id::callback_failed, log_level::warning, failed_delivery),
        "ts=2026-04-01T10:03:45.120Z level=warning event=callback.failed callback=shop "
        "error=\"connect: \\\"refused\\\"\\nevent=daemon.started\" attempt=3 status=\"\"\n");
}

TEST(Render, Json) {
    EXPECT_EQ(
        rendered(log_format::json, log_event_id::callback_failed, log_level::warning, failed_delivery),
        "{\"ts\":\"2026-04-01T10:03:45.120Z\",\"level\":\"warning\",\"event\":\"callback.failed\",\"callback\":"
        "\"shop\","
        "\"error\":\"connect: \\\"refused\\\"\\nevent=daemon.started\",\"attempt\":3,\"status\":\"\"}\n");
}

TEST(Render, JsonWritesNumbersAndBooleansAsSuchAndTextAlwaysAsText) {
    const std::vector<log_field> fields{
        {"delivery", 18'446'744'073'709'551'615ULL},
        {"skew_ms", std::int64_t{-1'500}},
        {"polls_per_second", 0.25},
        {"again", true},
        {"merchant_transaction_id", "1001"},
        {"word", std::string("true")}};
    EXPECT_THAT(
        rendered(log_format::json, log_event_id::poll_error, log_level::warning, fields),
        testing::EndsWith("\"event\":\"poll.error\",\"delivery\":18446744073709551615,\"skew_ms\":-1500,"
                          "\"polls_per_second\":0.2,\"again\":true,\"merchant_transaction_id\":\"1001\","
                          "\"word\":\"true\"}\n"));
    EXPECT_THAT(
        rendered(log_format::logfmt, log_event_id::poll_error, log_level::warning, fields),
        testing::EndsWith(" delivery=18446744073709551615 skew_ms=-1500 polls_per_second=0.2 again=true "
                          "merchant_transaction_id=1001 word=true\n"));
}

TEST(Render, JournaldFieldsCarryPriorityAndMessageId) {
    EXPECT_EQ(
        rendered(
            log_format::journald, log_event_id::callback_dead, log_level::critical,
            {{"callback", "shop"}, {"event", "transaction.failed"}}),
        "MESSAGE=callback.dead callback=shop event_type=transaction.failed\n"
        "PRIORITY=2\n"
        "SYSLOG_IDENTIFIER=prooftrackd\n"
        "MESSAGE_ID=ce0399cac37d4501a2c827765b2ed695\n"
        "PROOFTRACKD_EVENT=callback.dead\n"
        "PROOFTRACKD_CALLBACK=shop\n"
        "PROOFTRACKD_EVENT_TYPE=transaction.failed\n");
    const std::string injected =
        rendered(log_format::journald, log_event_id::poll_error, log_level::warning, {{"error", "x\nPRIORITY=0"}});
    EXPECT_THAT(injected, HasSubstr("PROOFTRACKD_ERROR=x\\nPRIORITY=0\n"));
    EXPECT_EQ(injected.find("\nPRIORITY=0"), std::string::npos);
}

TEST(Render, AKeyCannotBreakTheJournalsFieldNames) {
    const std::string text = rendered(
        log_format::journald, log_event_id::poll_error, log_level::warning,
        {{"a-b=c", "x"}, {std::string(90, 'k'), "y"}});
    EXPECT_THAT(text, HasSubstr("PROOFTRACKD_A_B_C=x\n"));
    EXPECT_THAT(text, HasSubstr("\nPROOFTRACKD_" + std::string(52, 'K') + "=y\n"));
}

TEST(Render, WhatEveryLineHasIsNotWrittenTwice) {
    const std::vector<log_field> fields{{"event", "transaction.failed"}, {"level", "debug"}, {"ts", "x"}};
    EXPECT_THAT(
        rendered(log_format::json, log_event_id::api_change, log_level::info, fields),
        testing::EndsWith(
            "\"event\":\"api.change\",\"event_type\":\"transaction.failed\",\"set_level\":\"debug\",\"at\":\"x\"}\n"));
    EXPECT_THAT(
        rendered(log_format::logfmt, log_event_id::api_change, log_level::info, fields),
        testing::EndsWith(" event=api.change event_type=transaction.failed set_level=debug at=x\n"));
}

TEST(EscapeValue, NothingCanMoveTheCursorOrBreakTheLine) {
    EXPECT_EQ(escape_value("a\x1b[31m\r\n\t\x7f\x01", 100), "a\\u001b[31m\\r\\n\\t\\u007f\\u0001");
    EXPECT_EQ(escape_value(std::string_view("\0", 1), 100), "\\u0000");
    EXPECT_EQ(escape_value("\xC2\x85\xC2\x9B", 100), "\\u0085\\u009b");
    EXPECT_EQ(escape_value("\xE2\x80\xA8\xE2\x80\xAE\xE2\x81\xA6\xEF\xBB\xBF", 100), "\\u2028\\u202e\\u2066\\ufeff");
    EXPECT_EQ(escape_value("\"\\", 100), "\\\"\\\\");
}

TEST(EscapeValue, BytesThatAreNotUtf8AreReplaced) {
    EXPECT_EQ(escape_value("\xFF", 100), "\xEF\xBF\xBD");
    EXPECT_EQ(escape_value("a\xC3", 100), "a\xEF\xBF\xBD");
    EXPECT_EQ(escape_value("\xC0\xAF", 100), "\xEF\xBF\xBD\xEF\xBF\xBD");                 // overlong
    EXPECT_EQ(escape_value("\xED\xA0\x80", 100), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"); // surrogate
    EXPECT_EQ(escape_value("\xF5\x80\x80\x80", 100).size(), 12U);
    EXPECT_EQ(escape_value("\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80", 100), "\xC3\xBC\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(EscapeValue, IsCutAtACharactersEdge) {
    EXPECT_EQ(escape_value("abcdef", 6), "abcdef");
    EXPECT_EQ(escape_value("abcdefg", 6), "abcdef\xE2\x80\xA6");
    EXPECT_EQ(escape_value("abcde\xC3\xBC", 6), "abcde\xE2\x80\xA6");
    EXPECT_EQ(escape_value("\n\n\n", 2), "\\n\\n\xE2\x80\xA6");
}

TEST(Render, ValuesEndAt256BytesAndMistakesAt1024) {
    const std::string long_value(2'000, 'x');
    const std::string line =
        rendered(log_format::logfmt, log_event_id::poll_error, log_level::warning, {{"error", long_value}});
    EXPECT_THAT(line, HasSubstr("error=\"" + std::string(256, 'x') + "\xE2\x80\xA6\"\n"));
    const std::string mistake =
        rendered(log_format::logfmt, log_event_id::config_refused, log_level::error, {{"error", long_value}});
    EXPECT_THAT(mistake, HasSubstr("error=\"" + std::string(1'024, 'x') + "\xE2\x80\xA6\"\n"));
}

TEST(Render, AnyBytesGiveOneLine) {
    std::string all;
    for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
    for (const auto format : {log_format::logfmt, log_format::json}) {
        const std::string line = rendered(format, log_event_id::poll_error, log_level::warning, {{"error", all}});
        EXPECT_EQ(line.find('\n'), line.size() - 1);
        EXPECT_EQ(line.find('\0'), std::string::npos);
    }
}

} // namespace
} // namespace prooftrack::observe
