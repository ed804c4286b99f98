#include "base/proxy_rules.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/http_url.hpp"

namespace prooftrack {
namespace {

using testing::HasSubstr;

TEST(ProxyRules, AProxyIsAnHttpUrlOfHostAndPort) {
    EXPECT_EQ(parse_proxy_url("http://proxy.example:3128").value(), (proxy_address{"proxy.example", 3128}));
    EXPECT_EQ(parse_proxy_url("HTTP://Proxy.example/").value(), (proxy_address{"proxy.example", 80}));
    EXPECT_EQ(parse_proxy_url("http://[2001:DB8::1]:8080").value(), (proxy_address{"2001:db8::1", 8080}));
    EXPECT_EQ(parse_proxy_url("https://proxy.example:3128").error(), url_error::scheme);
    EXPECT_EQ(parse_proxy_url("socks5://proxy.example:1080").error(), url_error::scheme);
    EXPECT_EQ(parse_proxy_url("http+unix:///run/proxy.sock").error(), url_error::scheme);
    EXPECT_EQ(parse_proxy_url("http://me:word@proxy.example:3128").error(), url_error::userinfo);
    EXPECT_EQ(parse_proxy_url("http://me:word@proxy.example:3128/path").error(), url_error::userinfo);
    for (const char* bad : {"proxy.example:3128", "http://proxy.example/path", "http://proxy.example?x", "none", ""})
        EXPECT_EQ(parse_proxy_url(bad).error(), url_error::malformed) << bad;
    EXPECT_EQ(parse_proxy_url("http://proxy.example:99999").error(), url_error::port);
}

TEST(ProxyRules, WhatIsWrongIsSaidWithoutThePassword) {
    EXPECT_EQ(check_proxy_url("http://proxy.example:3128"), "");
    EXPECT_THAT(check_proxy_url("http://me:word@proxy.example"), HasSubstr("proxy_credentials_file"));
    EXPECT_EQ(check_proxy_url("http://me:word@proxy.example").find("word@"), std::string::npos);
    EXPECT_THAT(check_proxy_url("socks5://proxy.example"), HasSubstr("CONNECT"));
    EXPECT_THAT(check_proxy_url("proxy.example"), HasSubstr("http://proxy.example:3128"));
}

TEST(ProxyRules, HostAndPort) {
    EXPECT_EQ(format_host_and_port("proof.example", 443), "proof.example:443");
    EXPECT_EQ(format_host_and_port("2001:db8::1", 443), "[2001:db8::1]:443");
}

TEST(NoProxy, ANameCoversItselfAndWhatIsBelowIt) {
    for (const char* written :
         {"shop.example", ".shop.example", "SHOP.example.", "x, shop.example", "x shop.example,"}) {
        const no_proxy_list list{std::string_view(written)};
        for (const char* inside : {"shop.example", "www.shop.example", "a.b.SHOP.EXAMPLE", "shop.example."})
            EXPECT_TRUE(list.covers(inside, 443)) << written << " " << inside;
        for (const char* outside : {"workshop.example", "example", "shop.example.org", "10.0.0.1"})
            EXPECT_FALSE(list.covers(outside, 443)) << written << " " << outside;
    }
}

TEST(NoProxy, AStarAloneCoversEverything) {
    EXPECT_TRUE(no_proxy_list("*").covers("proof.example", 443));
    EXPECT_TRUE(no_proxy_list("a.example, *").covers("10.0.0.1", 80));
    EXPECT_FALSE(no_proxy_list("*.example").covers("proof.example", 443)) << "as with curl: a star is no pattern";
    EXPECT_FALSE(no_proxy_list().covers("proof.example", 443));
    EXPECT_FALSE(no_proxy_list(" ,, ").covers("proof.example", 443));
}

TEST(NoProxy, AddressesAndNetworks) {
    const no_proxy_list list("10.0.0.0/9, 192.168.7.9 ,2001:db8::/33, [fd00::1], 172.16.0.0/12:8443");
    EXPECT_TRUE(list.covers("10.127.255.255", 443));
    EXPECT_FALSE(list.covers("10.128.0.0", 443));
    EXPECT_TRUE(list.covers("192.168.7.9", 443));
    EXPECT_FALSE(list.covers("192.168.7.10", 443));
    EXPECT_TRUE(list.covers("2001:db8:7fff::1", 443));
    EXPECT_FALSE(list.covers("2001:db8:8000::1", 443));
    EXPECT_TRUE(list.covers("fd00:0:0::1", 443)) << "in any spelling";
    EXPECT_TRUE(list.covers("172.31.0.1", 8443));
    EXPECT_FALSE(list.covers("172.31.0.1", 443));
    EXPECT_TRUE(no_proxy_list("0.0.0.0/0").covers("8.8.8.8", 443));
    EXPECT_FALSE(no_proxy_list("0.0.0.0/0").covers("::1", 443)) << "the other family";
    EXPECT_FALSE(no_proxy_list("0.0.0.0/0").covers("proof.example", 443)) << "names are not resolved";
}

TEST(NoProxy, APortNarrowsAnEntry) {
    const no_proxy_list list("shop.example:8443,[::2]:443,10.0.0.1:80");
    EXPECT_TRUE(list.covers("www.shop.example", 8443));
    EXPECT_FALSE(list.covers("www.shop.example", 443));
    EXPECT_TRUE(list.covers("::2", 443));
    EXPECT_FALSE(list.covers("::2", 444));
    EXPECT_TRUE(list.covers("10.0.0.1", 80));
    EXPECT_FALSE(list.covers("10.0.0.1", 443));
}

TEST(NoProxy, WhatIsNoEntryCoversNothing) {
    for (const char* odd :
         {"shop.example:", "shop.example:0", "shop.example:99999", "10.0.0.0/33", "10.0.0.0/", ".", "shop.example/24",
          "::1/129", "[::1"}) {
        const no_proxy_list list{std::string_view(odd)};
        for (const char* host : {"shop.example", "10.0.0.1", "::1", ""})
            EXPECT_FALSE(list.covers(host, 443)) << odd << " " << host;
    }
}

TEST(NoProxy, ItsLengthIsBounded) {
    const std::string longest(max_no_proxy_bytes - 13, ',');
    EXPECT_TRUE(no_proxy_list(longest + "proof.example").covers("proof.example", 443));
    EXPECT_THROW(no_proxy_list(longest + ",proof.example"), std::logic_error);
}

} // namespace
} // namespace prooftrack
