#pragma once

// HTTP CONNECT (RFC 9110, 9.3.6): a TCP connection to a host by way of a proxy. What connect_tcp does for a host that
// its options send through one.

#include <cstdint>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/result.hpp"
#include "base/unique_function.hpp"
#include "net/connector.hpp"
#include "net/proxy_route.hpp"
#include "net/resolver.hpp"

namespace prooftrack::net {

/// Most bytes of a proxy's reply to CONNECT, its header being all of it.
inline constexpr std::size_t max_proxy_reply_bytes = 8192;

/// Connects to the proxy, asks it for `host`:`port`, and gives the socket when it has answered 2xx; the target's own
/// bytes are the next. All of it within `options.total`; `options.filter` judges no address here. The handler runs
/// once, on the loop, never from inside the call. Errors have the operation "proxy HOST:PORT" (see is_proxy_failure):
/// net_error::proxy_refused with the status in the detail, header_too_large, not_http, closed_before_reply,
/// truncated_reply, timed_out, cancelled, and those of connect_tcp. Returns what gives up early. `resolver` must live
/// until the handler ran.
unique_function<void()> connect_through_proxy(
    boost::asio::any_io_executor loop, host_resolver& resolver, http_proxy proxy, std::string host, std::uint16_t port,
    connect_options options, unique_function<void(op_result<boost::asio::ip::tcp::socket>)> handler);

/// Whether the proxy, or the way to it, is what failed: then `error.message()` names it.
bool is_proxy_failure(const op_error& error);

} // namespace prooftrack::net
