#pragma once

// Where may be sent to: the rules of configured urls and of a transaction's own callback_url. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "net/http_url.hpp"

namespace prooftrack {

inline constexpr std::size_t max_callback_url = 2048;

/// How the host of a callback_url is listed.
enum class host_match : std::uint8_t {
    none,     ///< not listed
    wildcard, ///< by `*.domain` alone: it may not be a private address
    exact,    ///< by its own name, address or `unix:PATH`
};

/// `*.shop.example` stands for every host below shop.example, not for shop.example itself; case and a final dot are
/// ignored.
host_match match_host(const http_url& url, const std::vector<std::string>& allow_hosts);

/// A configured callback's url: https, http to a loopback host, or http+unix.
result<http_url> check_configured_url(std::string_view text);

/// A callback_url that passed its rules.
struct allowed_url {
    http_url url;
    bool exact_host = false;
};

/// Errors: net_error's url_ values, callback_error::url_too_long, plain_http, host_not_allowed.
result<allowed_url> check_callback_url(std::string_view text, const std::vector<std::string>& allow_hosts);

} // namespace prooftrack
