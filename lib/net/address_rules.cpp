#include "net/address_rules.hpp"

#include <array>

namespace prooftrack {
namespace {

namespace ip = boost::asio::ip;

bool in_network(ip::address_v4 address, std::uint32_t network, unsigned bits) {
    const std::uint32_t mask = bits == 0 ? 0 : ~std::uint32_t{0} << (32 - bits);
    return (address.to_uint() & mask) == network;
}

struct v4_rule {
    std::uint32_t network;
    unsigned bits;
    address_kind kind;
};

// First match wins: the metadata addresses lie inside wider networks.
constexpr std::array<v4_rule, 19> v4_rules{{
    {0xa9fea9fe, 32, address_kind::metadata},    // 169.254.169.254: AWS, GCP, Azure, OpenStack …
    {0xa9feaa02, 32, address_kind::metadata},    // 169.254.170.2: AWS ECS task credentials
    {0xa9feaa17, 32, address_kind::metadata},    // 169.254.170.23: AWS EKS pod identity
    {0x646464c8, 32, address_kind::metadata},    // 100.100.100.200: Alibaba
    {0xc00000c0, 32, address_kind::metadata},    // 192.0.0.192: Oracle
    {0xa83f8110, 32, address_kind::metadata},    // 168.63.129.16: Azure's wire server
    {0x00000000, 8, address_kind::unspecified},  // 0.0.0.0/8
    {0x7f000000, 8, address_kind::loopback},     // 127.0.0.0/8
    {0x0a000000, 8, address_kind::private_use},  // 10.0.0.0/8
    {0xac100000, 12, address_kind::private_use}, // 172.16.0.0/12
    {0xc0a80000, 16, address_kind::private_use}, // 192.168.0.0/16
    {0x64400000, 10, address_kind::private_use}, // 100.64.0.0/10
    {0xa9fe0000, 16, address_kind::link_local},  // 169.254.0.0/16
    {0xe0000000, 4, address_kind::multicast},    // 224.0.0.0/4
    {0xf0000000, 4, address_kind::reserved},     // 240.0.0.0/4 and broadcast
    {0xc0000000, 24, address_kind::reserved},    // 192.0.0.0/24
    {0xc6120000, 15, address_kind::reserved},    // 198.18.0.0/15
    {0xc0000200, 24, address_kind::reserved},    // 192.0.2.0/24
    {0xc6336400, 24, address_kind::reserved},    // 198.51.100.0/24
}};

address_kind classify_v4(ip::address_v4 address) {
    for (const auto& rule : v4_rules) {
        if (in_network(address, rule.network, rule.bits)) return rule.kind;
    }
    if (in_network(address, 0xcb007100, 24)) return address_kind::reserved; // 203.0.113.0/24
    return address_kind::global;
}

address_kind classify_v6(const ip::address_v6& address) {
    const auto bytes = address.to_bytes();
    static const auto aws = ip::make_address_v6("fd00:ec2::254").to_bytes();
    static const auto aws_pod_identity = ip::make_address_v6("fd00:ec2::23").to_bytes();
    static const auto gcp = ip::make_address_v6("fd20:ce::254").to_bytes();
    if (bytes == aws || bytes == aws_pod_identity || bytes == gcp) return address_kind::metadata;
    if (address.is_loopback()) return address_kind::loopback;
    if (address.is_unspecified()) return address_kind::unspecified;
    if (bytes[0] == 0xff) return address_kind::multicast;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0x80) return address_kind::link_local;
    if (bytes[0] == 0xfe && (bytes[1] & 0xc0U) == 0xc0) return address_kind::private_use;
    if ((bytes[0] & 0xfeU) == 0xfc) return address_kind::private_use;
    if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8) return address_kind::reserved;
    if (bytes[0] == 0x01 && bytes[1] == 0x00) return address_kind::reserved; // 100::/64, discard
    return address_kind::global;
}

bool has_prefix(const ip::address_v6::bytes_type& bytes, const std::array<std::uint8_t, 12>& prefix) {
    for (std::size_t i = 0; i < prefix.size(); ++i) {
        if (bytes[i] != prefix[i]) return false;
    }
    return true;
}

ip::address_v4 v4_at(const ip::address_v6::bytes_type& bytes, std::size_t at) {
    return ip::address_v4(ip::address_v4::bytes_type{bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

} // namespace

std::string_view to_string(address_kind kind) {
    switch (kind) {
    case address_kind::global:
        return "global";
    case address_kind::loopback:
        return "loopback";
    case address_kind::private_use:
        return "private";
    case address_kind::link_local:
        return "link-local";
    case address_kind::metadata:
        return "metadata";
    case address_kind::unspecified:
        return "unspecified";
    case address_kind::multicast:
        return "multicast";
    case address_kind::reserved:
        return "reserved";
    }
    return "";
}

ip::address unwrap_address(const ip::address& address) {
    if (!address.is_v6()) return address;
    const auto v6 = address.to_v6();
    const auto bytes = v6.to_bytes();
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    constexpr std::array<std::uint8_t, 12> translated{0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0};
    constexpr std::array<std::uint8_t, 12> nat64{0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};
    constexpr std::array<std::uint8_t, 12> compatible{};
    const bool small = bytes[12] == 0 && bytes[13] == 0; // ::, ::1 are not v4-compatible
    if (has_prefix(bytes, mapped) || has_prefix(bytes, translated) || has_prefix(bytes, nat64) ||
        (has_prefix(bytes, compatible) && !small))
        return v4_at(bytes, 12);
    if (bytes[0] == 0x20 && bytes[1] == 0x02) return v4_at(bytes, 2); // 6to4
    return address;
}

address_kind classify_address(const ip::address& address) {
    const ip::address inner = unwrap_address(address);
    return inner.is_v4() ? classify_v4(inner.to_v4()) : classify_v6(inner.to_v6());
}

bool may_send_to(const ip::address& address, bool exact_host) {
    switch (classify_address(address)) {
    case address_kind::global:
        return true;
    case address_kind::loopback:
    case address_kind::private_use:
        return exact_host;
    case address_kind::link_local:
    case address_kind::metadata:
    case address_kind::unspecified:
    case address_kind::multicast:
    case address_kind::reserved:
        return false;
    }
    return false;
}

} // namespace prooftrack
