#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "callback/error.hpp"
#include "callback/reply_rules.hpp"
#include "callback/target_rules.hpp"

namespace prooftrack::callback {
namespace {

using verdict = delivery_outcome::verdict;

const wall_time now = wall_time(std::chrono::sys_days(std::chrono::year(2026) / 4 / 1)) + std::chrono::hours(10);

net::http_reply reply_of(int status, net::header_list headers = {}) {
    net::http_reply reply;
    reply.status = status;
    reply.headers = std::move(headers);
    return reply;
}

TEST(ReplyRules, EveryStatusHasItsVerdict) {
    for (const int status : {200, 201, 202, 204, 299})
        EXPECT_EQ(judge_reply(reply_of(status), now).what, verdict::delivered) << status;
    for (const int status : {300, 301, 302, 304, 307, 308, 400, 401, 404, 409, 411, 429, 500, 502, 503, 504, 599})
        EXPECT_EQ(judge_reply(reply_of(status), now).what, verdict::failed) << status;
    EXPECT_EQ(judge_reply(reply_of(410), now).what, verdict::gone);
    EXPECT_EQ(judge_reply(reply_of(200), now).error, "");
    EXPECT_EQ(judge_reply(reply_of(500), now).error, "HTTP 500");
    EXPECT_EQ(judge_reply(reply_of(500), now).status, 500);
    EXPECT_EQ(judge_reply(reply_of(302), now).error, "HTTP 302 (redirects are not followed)");
}

TEST(ReplyRules, KeepsTheFirstKilobyteOfTheAnswer) {
    net::http_reply reply = reply_of(500);
    reply.body = std::string(5000, 'x');
    EXPECT_EQ(judge_reply(reply, now).reply.size(), 1024U);
}

TEST(ReplyRules, RetryAfterCountsWith429And503Alone) {
    for (const int status : {429, 503})
        EXPECT_EQ(judge_reply(reply_of(status, {{"retry-after", "120"}}), now).retry_after, std::chrono::minutes(2));
    for (const int status : {200, 301, 410, 500})
        EXPECT_EQ(judge_reply(reply_of(status, {{"Retry-After", "120"}}), now).retry_after, std::nullopt) << status;
    EXPECT_EQ(judge_reply(reply_of(503), now).retry_after, std::nullopt);
    EXPECT_EQ(judge_reply(reply_of(503, {{"Retry-After", "soon"}}), now).retry_after, std::nullopt);
}

TEST(RetryAfter, ReadsSecondsAndAllThreeDates) {
    EXPECT_EQ(read_retry_after("0", {}, now), milliseconds(0));
    EXPECT_EQ(read_retry_after(" 7 ", {}, now), seconds(7));
    EXPECT_EQ(read_retry_after("Wed, 01 Apr 2026 10:00:30 GMT", {}, now), seconds(30));
    EXPECT_EQ(read_retry_after("Wednesday, 01-Apr-26 10:00:30 GMT", {}, now), seconds(30));
    EXPECT_EQ(read_retry_after("Wed Apr  1 10:00:30 2026", {}, now), seconds(30));
}

TEST(RetryAfter, ADateIsRelativeToTheRepliesOwnDate) {
    EXPECT_EQ(read_retry_after("Wed, 01 Apr 2026 12:00:30 GMT", "Wed, 01 Apr 2026 12:00:00 GMT", now), seconds(30));
    EXPECT_EQ(read_retry_after("Wed, 01 Apr 2026 10:00:30 GMT", "nonsense", now), seconds(30));
}

TEST(RetryAfter, IsBoundedAndNeverNegative) {
    EXPECT_EQ(read_retry_after("Wed, 01 Apr 2020 10:00:30 GMT", {}, now), milliseconds(0));
    EXPECT_EQ(read_retry_after("99999999999999999999999", {}, now), std::chrono::days(30));
    for (const char* text : {"", "-5", "1.5", "5s", "1 2", "Wed, 01 Apr 2026", "0x10"})
        EXPECT_EQ(read_retry_after(text, {}, now), std::nullopt) << text;
}

TEST(TargetRules, AConfiguredUrlIsEncryptedOrStaysOnThisMachine) {
    EXPECT_TRUE(check_configured_url("https://shop.example/").has_value());
    EXPECT_TRUE(check_configured_url("http://127.0.0.1:8080/").has_value());
    EXPECT_TRUE(check_configured_url("http://localhost/").has_value());
    EXPECT_TRUE(check_configured_url("http+unix:///run/s.sock:/x").has_value());
    EXPECT_EQ(check_configured_url("http://shop.example/").error(), callback_error::plain_http);
    EXPECT_EQ(check_configured_url("http://10.0.0.1/").error(), callback_error::plain_http);
    EXPECT_EQ(check_configured_url("ftp://shop.example/").error(), url_error::scheme);
}

TEST(TargetRules, APlainHttpHostMayBeCalledWithoutTls) {
    const std::vector<std::string> plain{"receiver"};
    EXPECT_TRUE(check_configured_url("http://receiver:8080/", plain).has_value());
    EXPECT_EQ(check_configured_url("http://other/", plain).error(), callback_error::plain_http);
    EXPECT_TRUE(check_own_url("http://receiver/", {"receiver"}, plain)->plain_http_host);
    EXPECT_FALSE(check_own_url("https://receiver/", {"receiver"}, plain)->plain_http_host);
    EXPECT_EQ(check_own_url("http://receiver/", {}, plain).error(), callback_error::host_not_allowed);
    EXPECT_EQ(check_own_url("http://receiver/", {"receiver"}).error(), callback_error::plain_http);
}

TEST(TargetRules, ACallbackUrlIsListedShortAndBare) {
    const std::vector<std::string> hosts{"shop.example", "*.shop.example"};
    EXPECT_TRUE(check_own_url("https://shop.example/hook?order=7", hosts)->exact_host);
    EXPECT_FALSE(check_own_url("https://a.shop.example/hook", hosts)->exact_host);
    const auto error_of = [&](const std::string& url) { return check_own_url(url, hosts).error(); };
    EXPECT_EQ(error_of("https://evil.example/"), callback_error::host_not_allowed);
    EXPECT_EQ(error_of("https://user@shop.example/"), url_error::userinfo);
    EXPECT_EQ(error_of("https://shop.example/#a"), url_error::fragment);
    EXPECT_EQ(error_of("http://shop.example/"), callback_error::plain_http);
    const std::string start = "https://shop.example/";
    EXPECT_TRUE(check_own_url(start + std::string(2048 - start.size(), 'a'), hosts).has_value());
    EXPECT_EQ(error_of(start + std::string(2049 - start.size(), 'a')), callback_error::url_too_long);
}

} // namespace
} // namespace prooftrack::callback
