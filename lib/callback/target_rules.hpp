#pragma once

// Which URLs may be called: the rules of configured urls and of a transaction's own callback_url. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/allowed_hosts.hpp"
#include "base/http_url.hpp"
#include "base/result.hpp"

namespace prooftrack::callback {

/// A configured callback's url: https, http+unix, or http to a loopback host or to one of `plain_http_hosts`.
result<http_url> check_configured_url(std::string_view text, const std::vector<std::string>& plain_http_hosts = {});

/// A callback_url that passed its rules.
struct allowed_url {
    http_url url;
    bool exact_host = false;
    bool plain_http_host = false; ///< http to a host of `plain_http_hosts`
};

/// Errors: url_error's values, callback_error::url_too_long, plain_http, host_not_allowed.
result<allowed_url> check_own_url(
    std::string_view text, const std::vector<std::string>& allow_hosts,
    const std::vector<std::string>& plain_http_hosts = {});

} // namespace prooftrack::callback
