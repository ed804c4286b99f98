#include "callback/webhook_target.hpp"

#include <utility>

#include <fmt/format.h>

#include <boost/system/system_error.hpp>

#include "net/address_rules.hpp"

namespace prooftrack {
std::shared_ptr<const webhook_target> make_configured_target(const callback_target& target, const tls_source& tls) {
    const result<http_url> url = check_configured_url(target.url);
    if (url.has_error()) throw boost::system::system_error(url.error(), "callback " + target.name);
    auto webhook = std::make_shared<webhook_target>();
    webhook->url = *url;
    webhook->keys = target.secrets;
    webhook->timeout = target.timeout;
    webhook->pool_key = fmt::format("{} {}", format_lane(*url), target.ca_file);
    if (url->scheme == url_scheme::https) webhook->tls = tls(target.ca_file);
    // "localhost" is a name: whatever it resolves to must be loopback, or the event would travel in the clear.
    if (url->scheme == url_scheme::http) webhook->filter = is_loopback_address;
    return webhook;
}

std::shared_ptr<const webhook_target> make_own_url_target(const allowed_url& allowed, const callback_url_rules& rules,
                                                          std::shared_ptr<tls_client> tls) {
    auto webhook = std::make_shared<webhook_target>();
    webhook->url = allowed.url;
    webhook->tls = std::move(tls);
    webhook->keys = rules.secrets;
    webhook->timeout = rules.timeout;
    // Shared neither with configured targets nor across the kinds of match: a connection was made under its own rules.
    webhook->pool_key = fmt::format("callback_url {} {}", format_lane(allowed.url), allowed.exact_host);
    const bool plain = allowed.url.scheme == url_scheme::http;
    webhook->filter = [plain, exact = allowed.exact_host](const boost::asio::ip::address& address) {
        return may_send_to(address, exact) && (!plain || is_loopback_address(address));
    };
    return webhook;
}

} // namespace prooftrack
