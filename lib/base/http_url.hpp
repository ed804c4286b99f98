#pragma once

// URLs that the daemon sends to: one rule for the configuration, the API and the adapters that connect. Pure.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.hpp"

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

enum class url_error {
    malformed = 1,      ///< not a URL
    scheme,             ///< a scheme other than https, http and http+unix
    host_missing,       ///< no host
    host,               ///< neither a host name nor an address
    host_abbreviated,   ///< what getaddrinfo takes for an address and people do not: 127.1, 0x7f000001, 2130706433
    letters,            ///< a host with letters beyond ASCII
    port,               ///< a port that is not 1 to 65535
    userinfo,           ///< user or password
    fragment,           ///< a fragment
    socket,             ///< http+unix without an absolute socket path
    socket_path_length, ///< a socket path of over 107 bytes
};

const boost::system::error_category& url_category();
error_code make_error_code(url_error error);

/// Most bytes of a Unix socket's path: sun_path without its NUL.
inline constexpr std::size_t max_socket_path = 107;

/// Errors are those of url_error. Userinfo and fragments are refused, so is a scheme that is not ours.
result<http_url> parse_http_url(std::string_view text);

/// Whether it is a sound https URL, in any spelling.
bool is_https_url(std::string_view text);

/// Whether what is sent there is encrypted or does not leave this machine. A name is judged by what it says: whoever
/// connects judges the address as well.
bool is_encrypted_or_local(const http_url& url);

/// `https://host:443`, `http://[::1]:80`, `http+unix:///run/shop.sock`: what shares a lane and a connection. It is a
/// URL itself.
std::string format_lane(const http_url& url);

/// The value of the Host header: the port only when it is not the scheme's own; "localhost" for http+unix.
std::string format_host_header(const http_url& url);

} // namespace prooftrack

template <>
struct boost::system::is_error_code_enum<prooftrack::url_error> : std::true_type {};
