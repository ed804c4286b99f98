#include "net/address_rules.hpp"

#include <boost/asio/ip/address.hpp>
#include <gtest/gtest.h>

namespace prooftrack::net {
namespace {

address_kind kind_of(const char* text) { return classify_address(boost::asio::ip::make_address(text)); }

TEST(AddressRules, KnowsEachKindOfIpv4) {
    EXPECT_EQ(kind_of("1.1.1.1"), address_kind::global);
    EXPECT_EQ(kind_of("127.0.0.1"), address_kind::loopback);
    EXPECT_EQ(kind_of("127.255.255.254"), address_kind::loopback);
    for (const char* text :
         {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"})
        EXPECT_EQ(kind_of(text), address_kind::private_use) << text;
    for (const char* text :
         {"172.15.255.255", "172.32.0.0", "11.0.0.0", "192.169.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
          "128.0.0.0"})
        EXPECT_EQ(kind_of(text), address_kind::global) << text;
    EXPECT_EQ(kind_of("169.254.0.1"), address_kind::link_local);
    for (const char* text :
         {"169.254.169.254", "169.254.170.2", "169.254.170.23", "100.100.100.200", "192.0.0.192", "168.63.129.16"})
        EXPECT_EQ(kind_of(text), address_kind::metadata) << text;
    EXPECT_EQ(kind_of("0.0.0.0"), address_kind::unspecified);
    EXPECT_EQ(kind_of("0.1.2.3"), address_kind::unspecified);
    EXPECT_EQ(kind_of("224.0.0.1"), address_kind::multicast);
    EXPECT_EQ(kind_of("239.255.255.255"), address_kind::multicast);
    for (const char* text :
         {"240.0.0.1", "255.255.255.255", "192.0.2.1", "198.51.100.7", "203.0.113.9", "198.18.0.1", "198.19.255.255",
          "192.0.0.1"})
        EXPECT_EQ(kind_of(text), address_kind::reserved) << text;
}

TEST(AddressRules, KnowsEachKindOfIpv6) {
    EXPECT_EQ(kind_of("2606:4700:4700::1111"), address_kind::global);
    EXPECT_EQ(kind_of("::1"), address_kind::loopback);
    EXPECT_EQ(kind_of("::"), address_kind::unspecified);
    EXPECT_EQ(kind_of("fe80::1"), address_kind::link_local);
    EXPECT_EQ(kind_of("febf::1"), address_kind::link_local);
    EXPECT_EQ(kind_of("fd12:3456::1"), address_kind::private_use);
    EXPECT_EQ(kind_of("fc00::1"), address_kind::private_use);
    EXPECT_EQ(kind_of("fec0::1"), address_kind::private_use);
    EXPECT_EQ(kind_of("fd00:ec2::254"), address_kind::metadata);
    EXPECT_EQ(kind_of("fd00:ec2::23"), address_kind::metadata);
    EXPECT_EQ(kind_of("fd20:ce::254"), address_kind::metadata);
    EXPECT_EQ(kind_of("ff02::1"), address_kind::multicast);
    EXPECT_EQ(kind_of("2001:db8::1"), address_kind::reserved);
    EXPECT_EQ(kind_of("100::1"), address_kind::reserved);
}

TEST(AddressRules, LooksThroughEveryWrappingOfIpv4) {
    EXPECT_EQ(kind_of("::ffff:127.0.0.1"), address_kind::loopback);
    EXPECT_EQ(kind_of("::ffff:169.254.169.254"), address_kind::metadata);
    EXPECT_EQ(kind_of("::ffff:10.0.0.1"), address_kind::private_use);
    EXPECT_EQ(kind_of("::ffff:8.8.8.8"), address_kind::global);
    EXPECT_EQ(kind_of("::ffff:0:169.254.169.254"), address_kind::metadata);
    EXPECT_EQ(kind_of("::169.254.169.254"), address_kind::metadata);
    EXPECT_EQ(kind_of("64:ff9b::a9fe:a9fe"), address_kind::metadata);
    EXPECT_EQ(kind_of("64:ff9b::7f00:1"), address_kind::loopback);
    EXPECT_EQ(kind_of("2002:a9fe:a9fe::1"), address_kind::metadata);
    EXPECT_EQ(kind_of("2002:7f00:1::"), address_kind::loopback);
}

TEST(AddressRules, SpecialPurposeAddressesAreNotPublic) {
    for (const char* text :
         {"192.88.99.1",
          "192.31.196.1",
          "192.52.193.1",
          "192.175.48.1",
          "64:ff9b:1::808:808",
          "64:ff9b:1:ffff::1",
          "2001::1",
          "2001:0:4136:e378:8000:63bf:3fff:fdd2",
          "2001:2::1",
          "2001:10::1",
          "2001:20::1",
          "2001:30::1",
          "2002:808:808::1",
          "2620:4f:8000::1",
          "3fff::1",
          "3fff:fff::1",
          "3ffe::1",
          "5f00::1",
          "100::1",
          "100:0:0:1::1",
          "4000::1",
          "::ffff:0:8.8.8.8",
          "::8.8.8.8",
          "2606:4700::5efe:8.8.8.8",
          "2606:4700::200:5efe:10.0.0.1"})
        EXPECT_EQ(kind_of(text), address_kind::reserved) << text;
    for (const char* text :
         {"192.88.98.1", "192.88.100.1", "2001:200::1", "2003::1", "3fff:1000::1", "2620:4f:8001::1",
          "64:ff9b::8.8.8.8", "2a00:1450:4001::5eff:1:1"})
        EXPECT_EQ(kind_of(text), address_kind::global) << text;
    EXPECT_EQ(kind_of("64:ff9b::10.0.0.1"), address_kind::private_use);
}

TEST(AddressRules, OnlyWhatStaysOnThisMachineIsLoopback) {
    const auto is_loopback = [](const char* text) { return is_loopback_address(boost::asio::ip::make_address(text)); };
    for (const char* text : {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"})
        EXPECT_TRUE(is_loopback(text)) << text;
    for (const char* text : {"64:ff9b::127.0.0.1", "2002:7f00:1::", "::127.0.0.1", "10.0.0.1", "::", "0.0.0.0"})
        EXPECT_FALSE(is_loopback(text)) << text;
}

TEST(AddressRules, AnExactHostMayBePrivateAWildcardMayNotAndSomeAddressesNobodyMay) {
    const auto may = [](const char* text, bool exact) {
        return may_send_to(boost::asio::ip::make_address(text), exact);
    };
    EXPECT_TRUE(may("1.1.1.1", true));
    EXPECT_TRUE(may("1.1.1.1", false));
    for (const char* text : {"127.0.0.1", "10.1.2.3", "::1", "fd12::1", "::ffff:192.168.0.1"}) {
        EXPECT_TRUE(may(text, true)) << text;
        EXPECT_FALSE(may(text, false)) << text;
    }
    for (const char* text :
         {"169.254.169.254", "fd00:ec2::254", "169.254.1.1", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255",
          "::ffff:169.254.169.254", "100.100.100.200"}) {
        EXPECT_FALSE(may(text, true)) << text;
        EXPECT_FALSE(may(text, false)) << text;
    }
}

TEST(AddressRules, WhatIsNotEncryptedStaysOnThisMachineOrInPrivateNetworks) {
    const auto may = [](const char* text) { return may_send_plainly_to(boost::asio::ip::make_address(text)); };
    for (const char* text :
         {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "10.0.0.5", "172.16.0.1", "172.31.255.255",
          "192.168.1.1", "100.64.0.1", "::ffff:10.0.0.5", "fd00::5", "fc00::1"})
        EXPECT_TRUE(may(text)) << text;
    for (const char* text :
         {"8.8.8.8",
          "172.32.0.1",
          "100.128.0.1",
          "2600::1",
          "::ffff:8.8.8.8",
          "169.254.1.1",
          "fe80::1",
          "169.254.169.254",
          "::ffff:169.254.169.254",
          "fd00:ec2::254",
          "100.100.100.200",
          "0.0.0.0",
          "::",
          "224.0.0.1",
          "ff02::1",
          "255.255.255.255",
          "192.0.2.1",
          "64:ff9b::a00:5",
          "64:ff9b::7f00:1",
          "2002:a00:5::1",
          "::10.0.0.5",
          "::ffff:0:a00:5",
          "fd00::5efe:a00:5"})
        EXPECT_FALSE(may(text)) << text;
}

} // namespace
} // namespace prooftrack::net
