#include "proof/http_date.hpp"

#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace prooftrack::proof {
namespace {

using std::chrono::sys_days;
using namespace std::chrono_literals;
using namespace std::chrono;

const wall_time now = sys_days(2026y / April / 1) + 10h;
const wall_time example = sys_days(1994y / November / 6) + 8h + 49min + 37s;

TEST(HttpDate, ReadsThePreferredForm) { EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT", now), example); }

TEST(HttpDate, ReadsTheObsoleteFormWithTwoDigitYears) {
    EXPECT_EQ(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT", now), example);
}

TEST(HttpDate, ReadsTheFormOfAsctime) {
    EXPECT_EQ(parse_http_date("Sun Nov  6 08:49:37 1994", now), example);
    EXPECT_EQ(parse_http_date("Wed Nov 16 08:49:37 1994", now), example + days(10));
}

TEST(HttpDate, TakesATwoDigitYearMoreThanFiftyAheadForThePast) {
    EXPECT_EQ(parse_http_date("Wednesday, 01-Jan-76 00:00:00 GMT", now), wall_time(sys_days(2076y / January / 1)));
    EXPECT_EQ(parse_http_date("Saturday, 01-Jan-77 00:00:00 GMT", now), wall_time(sys_days(1977y / January / 1)));
}

TEST(HttpDate, AllowsALeapSecondAndBlanksAround) {
    EXPECT_TRUE(parse_http_date(" Sat, 31 Dec 2016 23:59:60 GMT\t", now));
}

TEST(HttpDate, RefusesEverythingElse) {
    for (const std::string text :
         {"", "now", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6 Nov 1994 08:49:37 GMT",
          "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
          "Foo, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT x", "Sun Nov 6 08:49:37 1994",
          "Sunday, 06-Nov-1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "Sun, 06 Nov -994 08:49:37 GMT"}) {
        EXPECT_FALSE(parse_http_date(text, now)) << text;
    }
}

RC_GTEST_PROP(HttpDate, NeverFailsOnAnyBytes, (const std::string& text)) {
    parse_http_date(text, now);
    const auto pause = parse_retry_after(text, std::nullopt, now);
    RC_ASSERT(!pause || (*pause >= least_retry_after && *pause <= longest_poll_retry_after));
}

TEST(RetryAfter, ReadsSeconds) { EXPECT_EQ(parse_retry_after("30", std::nullopt, now), 30s); }

TEST(RetryAfter, ClampsToOneSecondAndFifteenMinutes) {
    EXPECT_EQ(parse_retry_after("0", std::nullopt, now), 1s);
    EXPECT_EQ(parse_retry_after("900", std::nullopt, now), 15min);
    EXPECT_EQ(parse_retry_after("901", std::nullopt, now), 15min);
    EXPECT_EQ(parse_retry_after("99999999999999999999999999", std::nullopt, now), 15min);
}

TEST(RetryAfter, MeasuresADateFromTheReplysOwnClock) {
    // Proof's clock is an hour behind ours: what counts is the difference that Proof meant.
    const auto reply_date = parse_http_date("Wed, 01 Apr 2026 09:00:00 GMT", now);
    EXPECT_EQ(parse_retry_after("Wed, 01 Apr 2026 09:00:42 GMT", reply_date, now), 42s);
}

TEST(RetryAfter, FallsBackToOurClockWithoutADate) {
    EXPECT_EQ(parse_retry_after("Wed, 01 Apr 2026 10:00:42 GMT", std::nullopt, now), 42s);
    EXPECT_EQ(parse_retry_after("Wednesday, 01-Apr-26 10:00:42 GMT", std::nullopt, now), 42s);
    EXPECT_EQ(parse_retry_after("Wed Apr  1 10:00:42 2026", std::nullopt, now), 42s);
}

TEST(RetryAfter, TakesADateInThePastForTheLeast) {
    EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", std::nullopt, now), 1s);
    EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", std::nullopt, now), 15min);
}

TEST(RetryAfter, RefusesEverythingElse) {
    for (const std::string text : {"", " ", "-1", "+1", "1.5", "3s", "soon", "0x10", "1 2"}) {
        EXPECT_FALSE(parse_retry_after(text, std::nullopt, now)) << text;
    }
}

} // namespace
} // namespace prooftrack::proof
