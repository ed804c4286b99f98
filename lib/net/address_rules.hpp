#pragma once

// What an IP address is good for. Pure.

#include <cstdint>
#include <string_view>

#include <boost/asio/ip/address.hpp>

namespace prooftrack::net {

enum class address_kind : std::uint8_t {
    global,      ///< anything else
    loopback,    ///< 127.0.0.0/8, ::1
    private_use, ///< RFC 1918, fc00::/7, 100.64.0.0/10, fec0::/10
    link_local,  ///< 169.254.0.0/16, fe80::/10
    metadata,    ///< the addresses at which clouds serve credentials
    unspecified, ///< 0.0.0.0/8, ::
    multicast,   ///< 224.0.0.0/4, ff00::/8
    reserved,    ///< the rest of IANA's special-purpose registries, and all IPv6 outside of 2000::/3
};
std::string_view to_string(address_kind kind);

/// The rule of base/host_rules.hpp, for a resolved address.
bool is_loopback_address(const boost::asio::ip::address& address);

/// An IPv4 address that is wrapped in IPv6 (mapped, NAT64, translated, compatible, 6to4) is judged by what it is; what
/// is not reached by way of that address is never global.
address_kind classify_address(const boost::asio::ip::address& address);

/// Whether a user's own callback_url may be sent there: metadata, link-local, unspecified, multicast and reserved ones
/// never; loopback and private ones only when the host is listed by its exact name.
bool may_send_to(const boost::asio::ip::address& address, bool exact_host);

/// Whether what is not encrypted may be sent there: loopback and private addresses, IPv4 or IPv6 and v4-mapped, but
/// none that is reached through a translator or a tunnel (NAT64, 6to4, ISATAP), whose way may be a public one.
bool may_send_plainly_to(const boost::asio::ip::address& address);

} // namespace prooftrack::net
