#pragma once

// Which URLs may be called: the rules of configured urls and of a transaction's own callback_url. Pure.

#include <string>
#include <string_view>
#include <vector>

#include "base/allowed_hosts.hpp"
#include "base/http_url.hpp"
#include "base/result.hpp"

namespace prooftrack {

/// Why a sound URL is not called.
enum class target_error {
    plain_http = 1,   ///< http to a host that is neither loopback nor in plain_http_hosts
    too_long,         ///< over max_own_url_bytes
    host_not_allowed, ///< no entry of allow_hosts covers its host
};

const boost::system::error_category& target_category();
error_code make_error_code(target_error error);

/// A configured callback's url: https, http+unix, or http to a loopback host or to one of `plain_http_hosts`. Errors:
/// url_error's values, plain_http.
result<http_url> check_configured_url(std::string_view text, const std::vector<std::string>& plain_http_hosts = {});

/// What a callback_url must be whatever the configuration: a URL, no longer than max_own_url_bytes. Errors: url_error's
/// values, too_long.
result<http_url> check_own_url_form(std::string_view text);

/// A callback_url that passed its rules.
struct allowed_url {
    http_url url;
    bool exact_host = false;
    bool plain_http_host = false; ///< http to a host of `plain_http_hosts`
};

/// Its form, and its host: http to another than a loopback host needs one that both lists name. Errors: those of
/// check_own_url_form, plain_http, host_not_allowed.
result<allowed_url> check_own_url(
    std::string_view text, const std::vector<std::string>& allow_hosts,
    const std::vector<std::string>& plain_http_hosts = {});

} // namespace prooftrack

template <>
struct boost::system::is_error_code_enum<prooftrack::target_error> : std::true_type {};
