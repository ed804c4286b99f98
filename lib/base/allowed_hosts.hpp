#pragma once

// `allow_hosts` of [callback_url]: how an entry is written, and which URLs it covers. Pure.

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

/// Whether an entry is reached over TCP.
bool is_tcp_host(std::string_view entry);

} // namespace prooftrack
