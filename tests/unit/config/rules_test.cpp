#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/nearest.hpp"
#include "config/reload.hpp"
#include "config/url_rules.hpp"

namespace prooftrack::config {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

TEST(UrlRules, BaseUrlIsHttpsOrLoopback) {
    for (const char* good :
         {"https://proof.example", "https://proof.example/", "https://proof.example:8443/sandbox/v1",
          "http://127.0.0.1:8080", "http://127.9.9.9", "http://localhost:1", "http://[::1]:99",
          "http://[::ffff:127.0.0.1]", "https://[2001:db8::1]"}) {
        EXPECT_THAT(check_base_url(good), IsEmpty()) << good;
    }
    for (const char* good : {"http://LocalHost:1", "HTTPS://Proof.Example/", "Http://LOCALHOST"})
        EXPECT_THAT(check_base_url(good), IsEmpty()) << good;
    for (const char* foreign :
         {"https://pr\u00fcf.example", "https://pr%C3%BCf.example/x", "https://\u4f8b.example:8443"})
        EXPECT_THAT(check_base_url(foreign), HasSubstr("xn-- form")) << foreign;
    EXPECT_THAT(check_callback_url("https://pr\u00fcf.example/hook"), HasSubstr("xn-- form"));
    EXPECT_THAT(check_base_url("http://proof.example"), HasSubstr("plain http is only for a loopback host"));
    EXPECT_THAT(check_base_url("http://127.0.0.1.evil.example"), HasSubstr("plain http"));
    EXPECT_THAT(check_callback_url("http://127.0.0.1x:80/"), HasSubstr("plain http"));
    EXPECT_THAT(check_base_url("http://localhost.example"), HasSubstr("plain http"));
    EXPECT_THAT(check_base_url("ftp://proof.example"), HasSubstr("\"ftp\" is not supported"));
    EXPECT_THAT(check_base_url("proof.example"), HasSubstr("not a URL"));
    EXPECT_THAT(check_base_url("https://proof example"), HasSubstr("not a URL"));
    EXPECT_THAT(check_base_url("https://"), HasSubstr("host is missing"));
    EXPECT_THAT(check_base_url("https://u:p@proof.example"), HasSubstr("user or password"));
    EXPECT_THAT(check_base_url("https://proof.example/?a"), HasSubstr("query"));
    EXPECT_THAT(check_base_url("https://proof.example/#a"), HasSubstr("fragment"));
    EXPECT_THAT(check_base_url("https://proof.example:0"), HasSubstr("port"));
    EXPECT_THAT(check_base_url("https://proof.example:65536"), HasSubstr("port"));
    for (const char* bad :
         {"https://127.1", "https://0x7f000001", "https://2130706433", "https://a_b!c", "https://%61.example",
          "https://-a.example", "https://0X7f000001"}) {
        EXPECT_NE(check_base_url(bad), "") << bad;
    }
    EXPECT_THAT(check_base_url("https://proof.example.:443"), IsEmpty());
    EXPECT_THAT(check_base_url("http+unix:///run/x.sock:/"), HasSubstr("not supported"));
}

TEST(UrlRules, CallbackUrlMayHaveAQueryAndMayBeAUnixSocket) {
    for (const char* good :
         {"https://shop.example/hooks?token=a", "http://127.0.0.1:3000/x", "http+unix:///run/shop.sock:/hooks/proof",
          "http+unix:///s:/?a=b"}) {
        EXPECT_THAT(check_callback_url(good), IsEmpty()) << good;
    }
    for (const char* bad :
         {"http://shop.example/x", "https://u@shop.example/", "https://shop.example/#x", "http+unix://run/x.sock:/",
          "http+unix:///run/x.sock", "http+unix:///run/x.sock:hooks", "http+unix:///run/x.sock:/a b", "http+unix://:/",
          "http+unix:///run/:/x", "http+unix:///a%62:/x", "unix:///x"}) {
        EXPECT_NE(check_callback_url(bad), "") << bad;
    }
    EXPECT_THAT(check_callback_url("http+unix:///" + std::string(106, 'a') + ":/"), IsEmpty());
    EXPECT_THAT(check_callback_url("http+unix:///" + std::string(107, 'a') + ":/"), HasSubstr("more than 107"));
}

TEST(UrlRules, MetricsListenOnLoopbackAlone) {
    EXPECT_THAT(check_metrics_listen("LocalHost:9464"), IsEmpty());
    for (const char* good : {"", "127.0.0.1:9464", "localhost:1", "[::1]:65535"})
        EXPECT_THAT(check_metrics_listen(good), IsEmpty()) << good;
    for (const char* bad :
         {"0.0.0.0:9464", "9464", ":9464", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "[::]:1", "::1:9464",
          "127.0.0.1:94x"}) {
        EXPECT_NE(check_metrics_listen(bad), "") << bad;
    }
    EXPECT_THAT(check_metrics_listen("10.0.0.5:9464"), HasSubstr("metrics.allow_remote = true"));
}

TEST(UrlRules, MetricsListenAnywhereWhenItIsMeant) {
    for (const char* good :
         {"", "127.0.0.1:9464", "localhost:1", "10.0.0.5:9464", "0.0.0.0:9464", "[::]:9464", "[2001:db8::1]:1"})
        EXPECT_THAT(check_metrics_listen(good, true), IsEmpty()) << good;
    for (const char* bad :
         {"9464", ":9464", "10.0.0.5", "10.0.0.5:0", "10.0.0.5:70000", "metrics.example:9464", "::1:1"})
        EXPECT_NE(check_metrics_listen(bad, true), "") << bad;
    for (const char* remote : {"10.0.0.5:9464", "0.0.0.0:9464", "[::]:9464"}) EXPECT_TRUE(is_remote_listen(remote));
    for (const char* local : {"", "127.0.0.1:9464", "[::1]:1", "localhost:9464"})
        EXPECT_FALSE(is_remote_listen(local)) << local;
}

TEST(FindNearest, CountsEditsAndIgnoresCaseAndDashes) {
    constexpr std::array<std::string_view, 3> words{"base_url", "token_file", "connections"};
    EXPECT_EQ(find_nearest("base_ulr", words).word, "base_url");
    EXPECT_TRUE(find_nearest("base_ulr", words).is_close);
    EXPECT_EQ(find_nearest("Token-File", words).word, "token_file");
    EXPECT_EQ(find_nearest("max_connections", words).word, "connections");
    EXPECT_FALSE(find_nearest("zzzzzzzzzzz", words).is_close);
    EXPECT_EQ(find_nearest("x", {}).word, "");
    EXPECT_FALSE(find_nearest(std::string(100'000, 'x'), words).is_close);
}

TEST(Reload, OnlySomeKeysNeedARestart) {
    configuration before;
    configuration after;
    EXPECT_THAT(changed_keys(before, after), IsEmpty());
    after.store.path = "/other.db";
    after.api.mode = 0600;
    after.poll.interval = {milliseconds(50), milliseconds(60)};
    after.log.level = "debug";
    after.callbacks.emplace_back().name = "new";
    EXPECT_THAT(
        changed_keys(before, after),
        testing::ElementsAre("poll.interval", "store.path", "api.mode", "log.level", "callback"));
    EXPECT_THAT(restart_required(before, after), testing::ElementsAre("store.path", "api.mode"));
}

TEST(Reload, WhatNeedsARestartKeepsItsOldValue) {
    configuration before;
    configuration after;
    after.store.path = "/other.db";
    after.metrics.listen = "127.0.0.1:9464";
    after.log.level = "debug";
    after.callbacks.emplace_back().name = "new";
    const configuration applied = applicable_configuration(before, after);
    EXPECT_EQ(applied.store.path, before.store.path);
    EXPECT_EQ(applied.metrics.listen, "");
    EXPECT_EQ(applied.log.level, "debug");
    EXPECT_EQ(applied.callbacks.size(), 1U);
    EXPECT_THAT(restart_required(before, applied), IsEmpty());
}

} // namespace
} // namespace prooftrack::config
