#pragma once

// Where one webhook goes and under which rules: made from the configuration or from a transaction's callback_url.

#include <memory>
#include <string>
#include <vector>

#include "base/http_url.hpp"
#include "base/secret.hpp"
#include "base/secret_header.hpp"
#include "base/target_rules.hpp"
#include "base/time.hpp"
#include "callback/notifier.hpp"
#include "net/connector.hpp"

namespace prooftrack::callback {

/// Everything that one webhook needs besides the event; attempts in flight share it, so that a reload does not touch
/// them.
struct webhook_target {
    http_url url;
    std::shared_ptr<net::tls_client> tls;          ///< set for https
    std::shared_ptr<const net::proxy_route> route; ///< through which proxy; null = directly
    std::vector<secret> keys;
    std::vector<secret_header> headers; ///< of the configuration, sent besides our own
    milliseconds timeout{15000};
    /// Judges each resolved address right before connecting, by way of a proxy only a literal one; none = every
    /// address.
    net::address_filter filter;
    std::string strict_rule; ///< as in net::connect_options
    std::string pool_key;    ///< targets of equal keys may share connections
};

/// False for a target over TCP without a key: nothing is sent there.
bool is_signed_enough(const webhook_target& target);

/// A configured callback's target: any address, but plain http to loopback addresses alone, and for a host of
/// `plain_http_hosts` to loopback and private ones alone, whatever the name resolves to. Throws
/// boost::system::system_error when the url is refused or it is over TCP and there is no secret.
std::shared_ptr<const webhook_target> make_configured_target(
    const callback_target& target, const std::vector<std::string>& plain_http_hosts = {});

/// A callback_url's target: never link-local, metadata and the like; private addresses only for a host listed by its
/// own name; plain http as for a configured one.
std::shared_ptr<const webhook_target> make_own_url_target(const allowed_url& allowed, const callback_url_rules& rules);

} // namespace prooftrack::callback
