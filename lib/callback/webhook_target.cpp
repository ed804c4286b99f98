#include "callback/webhook_target.hpp"

#include <utility>

#include <fmt/format.h>

#include <boost/system/system_error.hpp>

#include "callback/error.hpp"
#include "net/address_rules.hpp"

namespace prooftrack::callback {
namespace {

constexpr const char* plain_http_rule = "plain http goes to loopback and private addresses alone";

/// A connection was trusted by the authorities of its client: those of another one may not take it over.
std::uint64_t serial_of(const std::shared_ptr<net::tls_client>& tls) { return tls ? tls->serial() : 0; }

/// A connection through another proxy than this target's is not its own.
std::string format_way(const webhook_target& target) {
    const net::http_proxy* proxy = target.route ? target.route->find(target.url.host, target.url.port) : nullptr;
    return proxy == nullptr ? std::string() : describe(*proxy);
}

} // namespace

bool is_signed_enough(const webhook_target& target) {
    return !target.keys.empty() || target.url.scheme == url_scheme::http_unix;
}

std::shared_ptr<const webhook_target> make_configured_target(
    const callback_target& target, const std::vector<std::string>& plain_http_hosts) {
    const result<http_url> url = check_configured_url(target.url, plain_http_hosts);
    if (url.has_error()) throw boost::system::system_error(url.error(), "callback " + target.name);
    auto webhook = std::make_shared<webhook_target>();
    webhook->url = *url;
    webhook->keys = target.secrets;
    webhook->headers = target.headers;
    webhook->timeout = target.timeout;
    const bool plain_http_host = is_plain_http_host(*url, plain_http_hosts);
    webhook->route = target.route;
    webhook->pool_key =
        fmt::format("{} {} {} {}", format_lane(*url), plain_http_host, serial_of(target.tls), format_way(*webhook));
    if (url->scheme == url_scheme::https) webhook->tls = target.tls;
    if (!is_signed_enough(*webhook))
        throw boost::system::system_error(make_error_code(callback_error::not_signed), "callback " + target.name);
    // "localhost" is a name: whatever it resolves to must be loopback, or the event would travel in the clear.
    if (url->scheme == url_scheme::http) webhook->filter = net::is_loopback_address;
    if (plain_http_host) {
        webhook->filter = net::may_send_plainly_to;
        webhook->strict_rule = plain_http_rule;
    }
    return webhook;
}

std::shared_ptr<const webhook_target> make_own_url_target(const allowed_url& allowed, const callback_url_rules& rules) {
    auto webhook = std::make_shared<webhook_target>();
    webhook->url = allowed.url;
    webhook->tls = rules.tls;
    webhook->keys = rules.secrets;
    webhook->timeout = rules.timeout;
    // Shared neither with configured targets nor across the kinds of match: a connection was made under its own rules.
    webhook->route = rules.route;
    webhook->pool_key = fmt::format(
        "callback_url {} {} {} {} {}", format_lane(allowed.url), allowed.exact_host, allowed.plain_http_host,
        serial_of(rules.tls), format_way(*webhook));
    const bool is_plain = allowed.url.scheme == url_scheme::http;
    const auto may_be_plain = allowed.plain_http_host ? net::may_send_plainly_to : net::is_loopback_address;
    webhook->filter = [is_plain, may_be_plain, exact = allowed.exact_host](const boost::asio::ip::address& address) {
        return net::may_send_to(address, exact) && (!is_plain || may_be_plain(address));
    };
    if (allowed.plain_http_host) webhook->strict_rule = plain_http_rule;
    return webhook;
}

} // namespace prooftrack::callback
