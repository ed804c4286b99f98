#pragma once

// Which connections go through an HTTP proxy, and what it is given. Values; no I/O.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/proxy_rules.hpp"
#include "base/secret.hpp"

namespace prooftrack::net {

/// A proxy that is asked to CONNECT.
struct http_proxy {
    proxy_address at;
    secret authorization; ///< value of Proxy-Authorization; empty = none is sent
    bool operator==(const http_proxy&) const = default;
};

/// `proxy.example:3128`; never credentials.
std::string describe(const http_proxy& proxy);

/// The value of Proxy-Authorization for `user:password` (RFC 7617).
secret make_basic_authorization(const secret& user_and_password);

/// The way that connections take: directly, or through one proxy but for the hosts that are exempt. Loopback hosts
/// never go through a proxy. Immutable; equal ones make no difference to a connection.
class proxy_route {
  public:
    proxy_route() = default; ///< always directly
    explicit proxy_route(http_proxy proxy, no_proxy_list exempt = {})
        : proxy_(std::move(proxy)), exempt_(std::move(exempt)) {}

    /// The proxy for that host (a name, or an address without brackets); nullptr = directly.
    const http_proxy* find(std::string_view host, std::uint16_t port) const;

    /// The one that there is, whether or not a host uses it.
    const std::optional<http_proxy>& proxy() const { return proxy_; }

    /// The same way with other credentials; there must be a proxy.
    proxy_route with_credentials(const secret& user_and_password) const;

    bool operator==(const proxy_route&) const = default;

  private:
    std::optional<http_proxy> proxy_;
    no_proxy_list exempt_;
};

/// Whether both lead the same way; null is a direct one.
bool is_same_route(const std::shared_ptr<const proxy_route>& one, const std::shared_ptr<const proxy_route>& other);

} // namespace prooftrack::net
