#include "base/host_rules.hpp"

#include <array>

#include <gtest/gtest.h>

namespace prooftrack {
namespace {

TEST(HostRules, ANameIsLabelsOfLettersDigitsHyphensAndUnderscores) {
    const std::string longest_label(63, 'a');
    for (const std::string& good :
         {std::string("shop.example"), std::string("Shop.Example"), std::string("a-b.c_d.e"), std::string("localhost"),
          std::string("1.2.3.4a"), longest_label + ".example"})
        EXPECT_TRUE(is_host_name(good)) << good;
    for (const std::string& bad :
         {std::string(), std::string("."), std::string("a..b"), std::string(".a"), std::string("shop.example."),
          std::string("-a.example"), std::string("a-.example"), std::string("a_b!c"), std::string("a b"),
          longest_label + "a.example", std::string(127, 'a') + std::string(127, '.')})
        EXPECT_FALSE(is_host_name(bad)) << bad;
}

TEST(HostRules, AnAddressThatOnlyGetaddrinfoUnderstandsIsSeen) {
    for (const char* text : {"127.1", "0x7f000001", "0X7F000001", "2130706433", "0x7f.1", "127.0.0.1.", "1.2.3.4"})
        EXPECT_TRUE(is_abbreviated_address(text)) << text;
    for (const char* text : {"127.0.0.1.example", "1.2.3.4a", "a1", "x0x.example"})
        EXPECT_FALSE(is_abbreviated_address(text)) << text;
}

TEST(HostRules, AnAddressHasOneSpelling) {
    EXPECT_EQ(canonical_address("127.0.0.1"), "127.0.0.1");
    EXPECT_EQ(canonical_address("0:0::1"), "::1");
    EXPECT_EQ(canonical_address("2001:DB8::1"), "2001:db8::1");
    EXPECT_EQ(canonical_address("::ffff:7f00:1"), "::ffff:127.0.0.1");
    for (const char* text : {"", "127.1", "127.0.0.1.", "[::1]", "::1%lo", "fe80::1%25eth0", "a.example", "1.2.3.4.5"})
        EXPECT_EQ(canonical_address(text), std::nullopt) << text;
    EXPECT_EQ(canonical_address(std::string_view("127.0.0.1\0x", 11)), std::nullopt);
}

TEST(HostRules, KnowsLoopbackHosts) {
    for (const char* host :
         {"localhost", "LocalHost", "127.0.0.1", "127.9.9.9", "::1", "[::1]", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"})
        EXPECT_TRUE(is_loopback_host(host)) << host;
    for (const char* host :
         {"localhost.example", "128.0.0.1", "0.0.0.0", "::2", "example", "", "localhost.", "::", "::ffff:10.0.0.1",
          "::127.0.0.1", "64:ff9b::127.0.0.1", "127.1", "[", "]"})
        EXPECT_FALSE(is_loopback_host(host)) << host;
    const std::array<std::uint8_t, 4> v4{127, 1, 2, 3};
    EXPECT_TRUE(is_loopback_bytes(v4));
    EXPECT_FALSE(is_loopback_bytes({}));
}

TEST(HostRules, LettersBeyondAsciiAreSeenEncodedOrNot) {
    for (const char* host : {"pr\u00fcf.example", "pr%C3%BCf.example", "\u4f8b.example"})
        EXPECT_TRUE(has_foreign_letters(host)) << host;
    for (const char* host : {"xn--prf-ioa.example", "a%61.example", "", "100%"})
        EXPECT_FALSE(has_foreign_letters(host)) << host;
}

} // namespace
} // namespace prooftrack
