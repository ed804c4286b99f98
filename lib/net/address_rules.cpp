#include "net/address_rules.hpp"

#include <array>

#include "base/host_rules.hpp"

namespace prooftrack::net {
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
constexpr std::array<v4_rule, 24> v4_rules{{
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
    {0xcb007100, 24, address_kind::reserved},    // 203.0.113.0/24
    {0xc0586300, 24, address_kind::reserved},    // 192.88.99.0/24, 6to4 relays
    {0xc01fc400, 24, address_kind::reserved},    // 192.31.196.0/24, AS112
    {0xc034c100, 24, address_kind::reserved},    // 192.52.193.0/24, AMT
    {0xc0af3000, 24, address_kind::reserved},    // 192.175.48.0/24, AS112
}};

address_kind classify_v4(ip::address_v4 address) {
    for (const auto& rule : v4_rules) {
        if (in_network(address, rule.network, rule.bits)) return rule.kind;
    }
    return address_kind::global;
}

using v6_bytes = ip::address_v6::bytes_type;

bool in_network(const v6_bytes& address, const v6_bytes& network, unsigned bits) {
    for (std::size_t i = 0; i < address.size() && bits > 0; ++i) {
        const unsigned here = bits < 8 ? bits : 8;
        const auto mask = static_cast<std::uint8_t>(0xff00U >> here);
        if ((address[i] & mask) != (network[i] & mask)) return false;
        bits -= here;
    }
    return true;
}

struct v6_rule {
    const char* network;
    unsigned bits;
    address_kind kind;
};

// First match wins. IANA's registry of special-purpose addresses, and what else is no global unicast.
constexpr std::array<v6_rule, 17> v6_rules{{
    {"fd00:ec2::254", 128, address_kind::metadata}, // AWS
    {"fd00:ec2::23", 128, address_kind::metadata},  // AWS EKS pod identity
    {"fd20:ce::254", 128, address_kind::metadata},  // GCP
    {"::1", 128, address_kind::loopback},
    {"::", 128, address_kind::unspecified},
    {"ff00::", 8, address_kind::multicast},
    {"fe80::", 10, address_kind::link_local},
    {"fec0::", 10, address_kind::private_use}, // site-local
    {"fc00::", 7, address_kind::private_use},
    {"2001::", 23, address_kind::reserved},         // IETF assignments: Teredo, benchmarks, ORCHID and others
    {"2001:db8::", 32, address_kind::reserved},     // documentation
    {"2002::", 16, address_kind::reserved},         // 6to4
    {"2620:4f:8000::", 48, address_kind::reserved}, // AS112
    {"3fff::", 20, address_kind::reserved},         // documentation
    {"3ffe::", 16, address_kind::reserved},         // 6bone
    {"2000::", 3, address_kind::global},
    {"::", 0, address_kind::reserved}, // 64:ff9b:1::/48, 100::/64, 5f00::/16 and all that was never given out
}};

/// ISATAP: the interface part is 0000:5efe or 0200:5efe and an IPv4 address, under any prefix.
bool is_isatap(const v6_bytes& bytes) {
    return (bytes[8] & 0xfdU) == 0 && bytes[9] == 0 && bytes[10] == 0x5e && bytes[11] == 0xfe;
}

address_kind classify_v6(const ip::address_v6& address) {
    const auto bytes = address.to_bytes();
    for (const auto& rule : v6_rules) {
        if (!in_network(bytes, ip::make_address_v6(rule.network).to_bytes(), rule.bits)) continue;
        return rule.kind == address_kind::global && is_isatap(bytes) ? address_kind::reserved : rule.kind;
    }
    return address_kind::reserved;
}

ip::address_v4 v4_at(const v6_bytes& bytes, std::size_t at) {
    return ip::address_v4(ip::address_v4::bytes_type{bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]});
}

struct v4_wrapping {
    const char* network;
    unsigned bits;
    std::size_t at;        ///< where the IPv4 address stands
    bool is_reached_by_it; ///< the way to such an address really is the way to the IPv4 address
};
constexpr std::array<v4_wrapping, 5> v4_wrappings{{
    {"::ffff:0:0", 96, 12, true},    // v4-mapped
    {"64:ff9b::", 96, 12, true},     // NAT64 with DNS64: how a host without IPv4 reaches the others
    {"::ffff:0:0:0", 96, 12, false}, // v4-translated
    {"::", 96, 12, false},           // v4-compatible
    {"2002::", 16, 2, false},        // 6to4
}};

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

bool is_loopback_address(const ip::address& address) {
    if (address.is_v4()) return is_loopback_bytes(address.to_v4().to_bytes());
    return is_loopback_bytes(address.to_v6().to_bytes());
}

address_kind classify_address(const ip::address& address) {
    if (address.is_v4()) return classify_v4(address.to_v4());
    const ip::address_v6 v6 = address.to_v6();
    if (v6.is_loopback() || v6.is_unspecified()) return classify_v6(v6); // no v4-compatible ones
    const auto bytes = v6.to_bytes();
    for (const auto& [network, bits, at, is_reached_by_it] : v4_wrappings) {
        if (!in_network(bytes, ip::make_address_v6(network).to_bytes(), bits)) continue;
        const address_kind inner = classify_v4(v4_at(bytes, at));
        return inner == address_kind::global && !is_reached_by_it ? address_kind::reserved : inner;
    }
    return classify_v6(v6);
}

bool may_send_plainly_to(const ip::address& address) {
    if (is_loopback_address(address)) return true;
    if (address.is_v4()) return classify_v4(address.to_v4()) == address_kind::private_use;
    const ip::address_v6 v6 = address.to_v6();
    const auto bytes = v6.to_bytes();
    if (v6.is_v4_mapped()) return classify_v4(v4_at(bytes, 12)) == address_kind::private_use;
    return classify_v6(v6) == address_kind::private_use && !is_isatap(bytes);
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

} // namespace prooftrack::net
