#pragma once

// Connected streams: resolve, happy eyeballs (RFC 8305), proxies, TLS, Unix sockets; each stage with its deadline.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "base/result.hpp"
#include "base/time.hpp"
#include "net/proxy_route.hpp"
#include "net/resolver.hpp"
#include "net/tls.hpp"

namespace prooftrack::net {

/// Says whether a resolved address may be connected to. Called once for each address, right before connecting.
using address_filter = std::function<bool(const boost::asio::ip::address&)>;

struct connect_options {
    steady_duration per_address = std::chrono::seconds(3);       ///< for one address
    steady_duration head_start = std::chrono::milliseconds(250); ///< before the next address is tried beside it
    steady_duration total = std::chrono::seconds(15);            ///< for all of it, the lookup included
    steady_duration handshake = std::chrono::seconds(5);         ///< for TLS, on top
    address_filter filter;                                       ///< none = every address
    std::string
        strict_rule; ///< of the filter, for people: one address that it refuses then refuses the host as a whole
    std::shared_ptr<const proxy_route> route; ///< through which proxy; none = directly
};

/// Resolves `host` (a name or a literal, no brackets) and connects to the first address that answers; families
/// interleaved, IPv6 first when DNS says so. The handler runs once, on the resolver's loop, never from inside the call.
/// Nagle is off on the socket. Errors: "resolve …", "connect ADDRESS:PORT …" (the first address's error),
/// net_error::address_not_allowed (no address passed the filter, or not all did with a `strict_rule`: then the detail
/// has the address and the rule), timed_out, cancelled. Returns what gives up early (the handler then gets
/// net_error::cancelled). `resolver` must live until the handler ran.
///
/// Where `options.route` has a proxy for the host, it is asked to CONNECT (net/proxy_tunnel.hpp has the errors). The
/// proxy resolves the name then: of `options.filter` what is left is that a literal address is judged here. With a
/// `strict_rule` the name is resolved and judged here, and the proxy is asked for an address.
unique_function<void()> connect_tcp(
    boost::asio::any_io_executor loop, host_resolver& resolver, std::string host, std::uint16_t port,
    connect_options options, unique_function<void(op_result<boost::asio::ip::tcp::socket>)> handler);

/// The same for coroutines; cancellation of the coroutine gives up.
boost::asio::awaitable<op_result<boost::asio::ip::tcp::socket>> async_connect_tcp(
    host_resolver& resolver, std::string host, std::uint16_t port, connect_options options);

/// TCP and then TLS, verified for `host`.
boost::asio::awaitable<op_result<tls_stream_ptr>> async_connect_tls(
    host_resolver& resolver, tls_client& tls, std::string host, std::uint16_t port, connect_options options);

/// A Unix socket; waits while its backlog is full. Errors name the path.
boost::asio::awaitable<op_result<boost::asio::local::stream_protocol::socket>> async_connect_unix(
    std::string path, steady_duration within);

} // namespace prooftrack::net
