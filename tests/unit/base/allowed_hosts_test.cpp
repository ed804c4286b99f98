#include "base/allowed_hosts.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

TEST(AllowedHosts, AnEntryIsAHostAWildcardAnAddressOrASocket) {
    for (const char* good :
         {"shop.example", "*.shop.example", "localhost", "127.0.0.1", "[::1]", "::1", "unix:/run/shop.sock",
          "a-b.c_d.e"}) {
        EXPECT_EQ(check_allowed_host(good), "") << good;
    }
    for (const char* bad :
         {"https://shop.example", "shop.example/", "shop.example:443", "*", "*.example", "a.*.example", "*shop.example",
          "-a.example", "a..b", "shop.example.", "unix:", "unix:run/x", "unix:/a:b", "u@h", "127.1", ""}) {
        EXPECT_NE(check_allowed_host(bad), "") << bad;
    }
    EXPECT_NE(check_allowed_host("*.pr\u00fcf.example").find("xn-- form"), std::string::npos);
    EXPECT_TRUE(is_tcp_host("shop.example"));
    EXPECT_FALSE(is_tcp_host("unix:/run/shop.sock"));
}

host_match match(std::string_view url, const std::vector<std::string>& hosts) {
    return match_host(parse_http_url(url).value(), hosts);
}

TEST(AllowedHosts, AHostIsListedByItsNameOrBelowAWildcard) {
    const std::vector<std::string> hosts{"Shop.Example", "*.api.example", "unix:/run/shop.sock", "[::1]", "10.0.0.7"};
    EXPECT_EQ(match("https://shop.example/x", hosts), host_match::exact);
    EXPECT_EQ(match("https://SHOP.example.:8443/x", hosts), host_match::exact);
    EXPECT_EQ(match("https://a.api.example/", hosts), host_match::wildcard);
    EXPECT_EQ(match("https://a.b.api.example/", hosts), host_match::wildcard);
    EXPECT_EQ(match("http://[0::1]/", hosts), host_match::exact);
    EXPECT_EQ(match("https://10.0.0.7/", hosts), host_match::exact);
    EXPECT_EQ(match("http+unix:///run/shop.sock:/x", hosts), host_match::exact);
    for (const char* url :
         {"https://api.example/", "https://evil-api.example/", "https://shop.example.evil/", "https://ashop.example/",
          "https://10.0.0.70/", "http+unix:///run/shop.sock2:/x", "http+unix:///shop.example:/x"})
        EXPECT_EQ(match(url, hosts), host_match::none) << url;
    EXPECT_EQ(match("https://a.api.example/", {"*.api.example", "a.api.example"}), host_match::exact);
    EXPECT_EQ(match("https://a.example/", {"*."}), host_match::none);
    EXPECT_EQ(match("https://1.2.3.4/", {"*.3.4"}), host_match::none) << "an address is below no domain";
    EXPECT_EQ(match("https://a.example/", {}), host_match::none);
}

TEST(PlainHttpHosts, AnEntryIsAHostOrAnAddressInFull) {
    for (const char* good : {"receiver", "shop.internal", "10.0.0.5", "[fd00::5]", "fd00::5", "localhost"})
        EXPECT_EQ(check_plain_http_host(good), "") << good;
    for (const char* bad :
         {"*", "*.shop.internal", "re*ver", "unix:/run/shop.sock", "http://receiver", "receiver:8080", "receiver/x",
          "10.0.0.0/8", "10.1", "0x0a000005", ""})
        EXPECT_NE(check_plain_http_host(bad), "") << bad;
}

TEST(PlainHttpHosts, OpenHttpToTheHostsThatTheyName) {
    const std::vector<std::string> hosts{"Receiver", "10.0.0.5", "[fd00::5]"};
    const auto allowed = [&](const char* url) { return may_be_called(parse_http_url(url).value(), hosts); };
    for (const char* url :
         {"http://receiver/", "http://RECEIVER.:8080/x", "http://10.0.0.5:1/", "http://[fd00:0::5]/",
          "http://127.0.0.1/", "http://localhost/", "https://elsewhere.example/", "http+unix:///run/s.sock:/"})
        EXPECT_TRUE(allowed(url)) << url;
    for (const char* url :
         {"http://receiver.example/", "http://a.receiver/", "http://receive/", "http://10.0.0.6/", "http://[fd00::6]/"})
        EXPECT_FALSE(allowed(url)) << url;
    EXPECT_FALSE(may_be_called(parse_http_url("http://receiver/").value(), {}));
    EXPECT_FALSE(is_plain_http_host(parse_http_url("https://receiver/").value(), hosts)) << "it is not http";
}

TEST(OwnUrlRules, HttpNeedsTheHostInBothListsByItsOwnName) {
    const auto judge = [](const char* url, const std::vector<std::string>& allow_hosts) {
        return judge_own_url(parse_http_url(url).value(), allow_hosts, {"receiver", "a.shop.internal"});
    };
    EXPECT_EQ(judge("http://receiver/", {"receiver"}), own_url_verdict::exact);
    EXPECT_EQ(judge("http://receiver/", {"other"}), own_url_verdict::not_listed);
    EXPECT_EQ(judge("http://receiver/", {}), own_url_verdict::not_listed);
    EXPECT_EQ(judge("http://other/", {"other"}), own_url_verdict::plain_http);
    EXPECT_EQ(judge("http://a.shop.internal/", {"*.shop.internal"}), own_url_verdict::plain_http);
    EXPECT_EQ(judge("http://a.shop.internal/", {"a.shop.internal", "*.shop.internal"}), own_url_verdict::exact);
    EXPECT_EQ(judge("https://a.shop.internal/", {"*.shop.internal"}), own_url_verdict::wildcard);
    EXPECT_EQ(judge("http://127.0.0.1/", {"127.0.0.1"}), own_url_verdict::exact);
}

} // namespace
} // namespace prooftrack
