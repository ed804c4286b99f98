#pragma once

// What an IP address is good for. Pure.

#include <cstdint>
#include <string_view>

#include <boost/asio/ip/address.hpp>

namespace prooftrack {

enum class address_kind : std::uint8_t {
    global,      ///< anything else
    loopback,    ///< 127.0.0.0/8, ::1
    private_use, ///< RFC 1918, fc00::/7, 100.64.0.0/10, fec0::/10
    link_local,  ///< 169.254.0.0/16, fe80::/10
    metadata,    ///< the addresses at which clouds serve credentials
    unspecified, ///< 0.0.0.0/8, ::
    multicast,   ///< 224.0.0.0/4, ff00::/8
    reserved,    ///< broadcast, 240.0.0.0/4, documentation, benchmarks, IETF protocol assignments
};
std::string_view to_string(address_kind kind);

/// The IPv4 address that is inside a v4-mapped, v4-compatible, NAT64 or 6to4 address; any other address as it is.
boost::asio::ip::address unwrap_address(const boost::asio::ip::address& address);

/// Unwraps first.
address_kind classify_address(const boost::asio::ip::address& address);

/// Whether a user's own callback_url may be sent there: metadata, link-local, unspecified, multicast and reserved ones
/// never; loopback and private ones only when the host is listed by its exact name.
bool may_send_to(const boost::asio::ip::address& address, bool exact_host);

} // namespace prooftrack
