#pragma once

// URLs that the daemon sends to. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "net/error.hpp"

namespace prooftrack {

enum class url_scheme : std::uint8_t { https, http, http_unix };

/// `https://HOST[:PORT][/PATH][?QUERY]`, `http://…`, or `http+unix:///SOCKET[:/TARGET]`.
struct http_url {
    url_scheme scheme = url_scheme::https;
    std::string host;        ///< lower case, IPv6 without brackets; "" for http+unix
    std::uint16_t port = 0;  ///< the scheme's default when none is written; 0 for http+unix
    std::string target;      ///< path and query as written, at least "/"
    std::string socket_path; ///< only http+unix: absolute

    bool operator==(const http_url&) const = default;
};

/// Errors are net_error's url_ values and bad_url. Userinfo and fragments are refused, so is a scheme that is not ours.
result<http_url> parse_http_url(std::string_view text);

/// `https://host:443`, `http://[::1]:80`, `http+unix:///run/shop.sock`: what shares a lane and a connection.
std::string format_lane(const http_url& url);

/// The value of the Host header: the port only when it is not the scheme's own; "localhost" for http+unix.
std::string format_host_header(const http_url& url);

/// The name itself, in any case.
bool is_localhost(std::string_view host);

/// True for `localhost` and for literal loopback addresses, v4-mapped ones included.
bool is_loopback_host(std::string_view host);

} // namespace prooftrack
