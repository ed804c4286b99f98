#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/target_rules.hpp"

namespace prooftrack {
namespace {

TEST(TargetRules, AConfiguredUrlIsEncryptedOrStaysOnThisMachine) {
    EXPECT_TRUE(check_configured_url("https://shop.example/").has_value());
    EXPECT_TRUE(check_configured_url("http://127.0.0.1:8080/").has_value());
    EXPECT_TRUE(check_configured_url("http://localhost/").has_value());
    EXPECT_TRUE(check_configured_url("http+unix:///run/s.sock:/x").has_value());
    EXPECT_EQ(check_configured_url("http://shop.example/").error(), target_error::plain_http);
    EXPECT_EQ(check_configured_url("http://10.0.0.1/").error(), target_error::plain_http);
    EXPECT_EQ(check_configured_url("ftp://shop.example/").error(), url_error::scheme);
}

TEST(TargetRules, TheFormOfACallbackUrlDoesNotDependOnTheConfiguration) {
    const std::string start = "https://shop.example/";
    EXPECT_EQ(check_own_url_form(start + std::string(2048 - start.size(), 'a'))->host, "shop.example");
    EXPECT_EQ(check_own_url_form(start + std::string(2049 - start.size(), 'a')).error(), target_error::too_long);
    EXPECT_TRUE(check_own_url_form("http://shop.example/").has_value()) << "the configuration may allow it";
    EXPECT_EQ(check_own_url_form("shop.example").error(), url_error::malformed);
}

TEST(TargetRules, ACallbackUrlIsListedShortAndBare) {
    const std::vector<std::string> hosts{"shop.example", "*.shop.example"};
    EXPECT_TRUE(check_own_url("https://shop.example/hook?order=7", hosts)->exact_host);
    EXPECT_FALSE(check_own_url("https://a.shop.example/hook", hosts)->exact_host);
    const auto error_of = [&](const std::string& url) { return check_own_url(url, hosts).error(); };
    EXPECT_EQ(error_of("https://evil.example/"), target_error::host_not_allowed);
    EXPECT_EQ(error_of("https://user@shop.example/"), url_error::userinfo);
    EXPECT_EQ(error_of("https://shop.example/#a"), url_error::fragment);
    EXPECT_EQ(error_of("http://shop.example/"), target_error::plain_http);
    const std::string start = "https://shop.example/";
    EXPECT_TRUE(check_own_url(start + std::string(2048 - start.size(), 'a'), hosts).has_value());
    EXPECT_EQ(error_of(start + std::string(2049 - start.size(), 'a')), target_error::too_long);
}

TEST(TargetRules, APlainHttpHostMayBeCalledWithoutTls) {
    const std::vector<std::string> plain{"receiver"};
    EXPECT_TRUE(check_configured_url("http://receiver:8080/", plain).has_value());
    EXPECT_EQ(check_configured_url("http://other/", plain).error(), target_error::plain_http);
    EXPECT_TRUE(check_own_url("http://receiver/", {"receiver"}, plain)->plain_http_host);
    EXPECT_FALSE(check_own_url("https://receiver/", {"receiver"}, plain)->plain_http_host);
    EXPECT_EQ(check_own_url("http://receiver/", {}, plain).error(), target_error::host_not_allowed);
    EXPECT_EQ(check_own_url("http://receiver/", {"receiver"}).error(), target_error::plain_http);
}

} // namespace
} // namespace prooftrack
