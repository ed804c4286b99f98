#pragma once

// `allow_hosts` of [callback_url] and `plain_http_hosts` of [network]: how an entry is written, and which URLs they
// cover. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/http_url.hpp"

namespace prooftrack {

/// How the host of a callback_url is listed.
enum class host_match : std::uint8_t {
    none,     ///< not listed
    wildcard, ///< by `*.domain` alone: it may not be a private address
    exact,    ///< by its own name, address or `unix:PATH`
};

/// `*.shop.example` stands for every host below shop.example, not for shop.example itself; case and a final dot are
/// ignored, an address is the same in any spelling.
host_match match_host(const http_url& url, const std::vector<std::string>& allow_hosts);

/// "" for `shop.example`, `*.shop.example`, an IP address (with or without brackets) or `unix:/run/shop.sock`; else
/// what is wrong with the entry and what to write, for people.
std::string check_allowed_host(std::string_view entry);

/// "" for an entry of `plain_http_hosts`, a host name or an IP address in full; else what is wrong with it and what to
/// write, for people. Whether an address is a private one is not judged here.
std::string check_plain_http_host(std::string_view entry);

/// Whether it is http to a host of `plain_http_hosts`. Whoever connects holds its addresses to private ones.
bool is_plain_http_host(const http_url& url, const std::vector<std::string>& plain_http_hosts);

/// Whether an event may go there as far as encryption is concerned: https, http+unix, and http to a loopback host or to
/// one of `plain_http_hosts`.
bool may_be_called(const http_url& url, const std::vector<std::string>& plain_http_hosts);

/// What the two lists say of a transaction's own callback_url.
enum class own_url_verdict : std::uint8_t {
    exact,      ///< allowed, by its own name
    wildcard,   ///< allowed, by `*.domain` alone: it may not be a private address
    plain_http, ///< http to a host that is neither loopback nor named by both lists: a wildcard opens it to none
    not_listed, ///< not in allow_hosts
};
own_url_verdict judge_own_url(
    const http_url& url, const std::vector<std::string>& allow_hosts, const std::vector<std::string>& plain_http_hosts);

/// Whether an entry is reached over TCP.
bool is_tcp_host(std::string_view entry);

} // namespace prooftrack
