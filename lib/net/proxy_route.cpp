#include "net/proxy_route.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/host_rules.hpp"

namespace prooftrack::net {

std::string describe(const http_proxy& proxy) { return format_host_and_port(proxy.at.host, proxy.at.port); }

secret make_basic_authorization(const secret& user_and_password) {
    constexpr std::string_view scheme = "Basic ";
    const std::string_view plain = user_and_password.reveal();
    std::string value(scheme.size() + (plain.size() + 2) / 3 * 4 + 1, '\0'); // EVP_EncodeBlock ends with a NUL
    scheme.copy(value.data(), scheme.size());
    EVP_EncodeBlock(
        reinterpret_cast<unsigned char*>(value.data()) + scheme.size(),
        reinterpret_cast<const unsigned char*>(plain.data()), static_cast<int>(plain.size()));
    value.pop_back();
    secret authorization(value);
    OPENSSL_cleanse(value.data(), value.size());
    return authorization;
}

const http_proxy* proxy_route::find(std::string_view host, std::uint16_t port) const {
    if (!proxy_ || is_loopback_host(without_final_dot(host)) || exempt_.covers(host, port)) return nullptr;
    return &*proxy_;
}

proxy_route proxy_route::with_credentials(const secret& user_and_password) const {
    http_proxy same = proxy_.value();
    same.authorization = make_basic_authorization(user_and_password);
    return proxy_route(std::move(same), exempt_);
}

bool is_same_route(const std::shared_ptr<const proxy_route>& one, const std::shared_ptr<const proxy_route>& other) {
    if (one == nullptr || other == nullptr) return one == other;
    return *one == *other;
}

} // namespace prooftrack::net
