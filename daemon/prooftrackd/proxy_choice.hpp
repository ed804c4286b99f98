#pragma once

// Which proxy a configuration and the environment choose.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/proxy_rules.hpp"
#include "base/result.hpp"
#include "config/bounded_file.hpp"
#include "net/proxy_route.hpp"
#include "prooftrackd/file_watch.hpp"
#include "prooftrackd/machine.hpp"

namespace prooftrack::daemon {

/// HTTPS_PROXY and NO_PROXY of the environment; a name in lower case wins, an empty value is none, as with curl.
struct environment_proxy {
    std::string variable; ///< where it stands; "" = there is none
    std::optional<net::proxy_route> route;
    std::string fault; ///< why there is no route although the variable is set; never the value
    no_proxy_list exempt;
};

/// A URL without a scheme is an http one there, and may hold `user:password@`, percent-encoded.
environment_proxy read_environment_proxy(const machine& from);

/// The file with the credentials for a proxy, and whose they are.
struct watched_proxy {
    std::string callback; ///< its name; "" = [proof]
    file_watch file;
};

/// Who takes which way, for people: `config.proxy`.
struct proxy_use {
    std::string proxy;   ///< "proxy.example:3128"; "none" where NO_PROXY or loopback exempt from it
    std::string source;  ///< "configuration" or the variable
    std::string used_by; ///< "proof callback.shop"
    bool operator==(const proxy_use&) const = default;
};

/// `proxy_use::proxy` for who connects to that well-formed http or https URL.
std::string describe_way(const net::proxy_route& route, std::string_view url);

/// Adds `user` to the line of that proxy and source.
void note_proxy_use(
    std::vector<proxy_use>& uses, const std::string& proxy, const std::string& source, const std::string& user);

} // namespace prooftrack::daemon
