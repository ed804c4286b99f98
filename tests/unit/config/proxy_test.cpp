// The keys of a proxy: what is refused, what has no effect, and the file with the credentials.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "config/secret_files.hpp"
#include "mistakes.hpp"

namespace prooftrack::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const std::string proof = "[proof]\nbase_url = \"https://proof.example\"\n";
const std::string webhook =
    "[[callback]]\nname = \"a\"\nurl = \"https://shop.example/x\"\nsecret_file = \"/s\"\nevents = [\"*\"]\n";

std::vector<std::string> warnings(const std::string& text) {
    EXPECT_THAT(mistakes(text), IsEmpty());
    return draft_configuration(text, "f.toml").warnings;
}

TEST(ProxyKeys, AProxyIsAUrlNoneOrNothing) {
    for (const char* good : {"http://proxy.example:3128", "http://[2001:db8::1]:3128", "none", ""}) {
        const std::string key = "proxy = \"" + std::string(good) + "\"\n";
        EXPECT_THAT(mistakes(proof + key), IsEmpty());
        EXPECT_EQ(draft_configuration(proof + key, "f").value.proof.proxy, good);
        EXPECT_EQ(draft_configuration(proof + webhook + key, "f").value.callbacks.at(0).proxy, good);
    }
    for (const char* bad : {"proxy.example:3128", "https://proxy.example", "socks5://proxy.example", "http://p/x"}) {
        const std::string key = "proxy = \"" + std::string(bad) + "\"\n";
        EXPECT_THAT(mistakes(proof + key), ElementsAre(HasSubstr("f.toml:3:1: proof.proxy: "))) << bad;
        EXPECT_THAT(mistakes(proof + webhook + key), ElementsAre(HasSubstr("f.toml:8:1: callback.proxy: "))) << bad;
    }
}

TEST(ProxyKeys, UserinfoIsRefusedAndNotRepeated) {
    const std::string key = "proxy = \"http://me:hushhush@proxy.example:3128\"\n";
    for (const std::string& text : {proof + key, proof + webhook + key})
        EXPECT_THAT(
            mistakes(text), ElementsAre(AllOf(HasSubstr("proxy_credentials_file"), Not(HasSubstr("hushhush")))));
}

TEST(ProxyKeys, ACommandHasNone) {
    const std::string command = "[[callback]]\nname = \"a\"\ncommand = [\"/bin/true\"]\n";
    EXPECT_THAT(
        mistakes(proof + command + "proxy = \"none\"\nproxy_credentials_file = \"/c\"\n"),
        ElementsAre(
            HasSubstr("callback.proxy: belongs to a url"),
            HasSubstr("callback.proxy_credentials_file: belongs to a url")));
}

TEST(ProxyKeys, WhatHasNoEffectIsWarnedOf) {
    const std::string named = "proxy = \"http://proxy.example:3128\"\n";
    const std::string credentials = "proxy_credentials_file = \"/c\"\n";
    EXPECT_THAT(warnings(proof + named + credentials + webhook + named + credentials), IsEmpty());
    EXPECT_THAT(warnings(proof + credentials), IsEmpty()) << "it may be for the environment's";
    EXPECT_THAT(
        warnings(proof + "proxy = \"none\"\n" + credentials),
        ElementsAre("proof.proxy_credentials_file has no effect without a proxy"));
    const std::string local = "[proof]\nbase_url = \"https://localhost:1\"\n";
    EXPECT_THAT(warnings(local + named), ElementsAre(HasSubstr("proof.proxy has no effect")));
    const std::string socket = "[[callback]]\nname = \"a\"\nurl = \"http+unix:///run/x.sock:/x\"\nevents = [\"*\"]\n";
    EXPECT_THAT(warnings(proof + socket + named), ElementsAre(HasSubstr("callback \"a\": proxy has no effect")));
    EXPECT_THAT(
        warnings(proof + socket + credentials),
        ElementsAre(HasSubstr("callback \"a\": proxy_credentials_file has no effect")));
}

TEST(ProxyCredentials, OneLineOfUserAndPassword) {
    const auto read = [](const std::string& text) {
        return read_proxy_credentials("/c", [&](const auto&, std::size_t most) -> op_result<file_content> {
            if (text.size() > most)
                return op_error{make_error_code(boost::system::errc::file_too_large), "read /c", {}};
            return file_content{text, true};
        });
    };
    for (const char* good : {"me:word", "me:", "me:a b:c", "m\xc3\xbc:\xc3\xa9"}) {
        for (const char* end : {"", "\n", "\r\n"}) {
            const auto credentials = read(std::string(good) + end);
            ASSERT_TRUE(credentials.has_value()) << good;
            EXPECT_EQ(credentials->text.reveal(), good);
            EXPECT_TRUE(credentials->is_open_to_others);
        }
    }
    EXPECT_THAT(read("").error().message(), HasSubstr("user:password"));
    EXPECT_EQ(read(" \n").error().code, secret_error::empty);
    for (const char* bad :
         {"hush", ":hush", "me:hush\nagain:hush\n", "me:hu\tsh", "\xef\xbb\xbfme:hush", "me:hush\n\n"}) {
        ASSERT_TRUE(read(bad).has_error()) << bad;
        EXPECT_EQ(read(bad).error().code, secret_error::malformed) << bad;
        EXPECT_THAT(read(bad).error().message(), Not(HasSubstr("hush"))) << bad;
    }
    const std::string longest = "me:" + std::string(max_proxy_credentials_bytes - 3, 'x');
    EXPECT_TRUE(read(longest).has_value());
    EXPECT_TRUE(read(longest + "x").has_error());
    EXPECT_EQ(read_proxy_credentials({}).error().code, secret_error::not_configured);
}

} // namespace
} // namespace prooftrack::config
