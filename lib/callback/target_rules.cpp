#include "callback/target_rules.hpp"

#include <algorithm>

#include <boost/asio/ip/address.hpp>

#include "callback/error.hpp"

namespace prooftrack {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view wildcard_prefix = "*.";

/// Lower case, without a final dot and brackets, addresses in their one spelling.
std::string normal_host(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    std::string host(text);
    std::transform(host.begin(), host.end(), host.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    error_code not_literal;
    const auto literal = boost::asio::ip::make_address(host, not_literal);
    return not_literal ? host : literal.to_string();
}

bool is_literal(const std::string& host) {
    error_code error;
    boost::asio::ip::make_address(host, error);
    return !error;
}

} // namespace

host_match match_host(const http_url& url, const std::vector<std::string>& allow_hosts) {
    const std::string host = normal_host(url.host);
    host_match best = host_match::none;
    for (const std::string& allowed : allow_hosts) {
        const std::string_view rule = allowed;
        if (url.scheme == url_scheme::http_unix || rule.starts_with(unix_prefix)) {
            const bool listed = url.scheme == url_scheme::http_unix && rule.starts_with(unix_prefix) &&
                                rule.substr(unix_prefix.size()) == url.socket_path;
            if (listed) return host_match::exact;
            continue;
        }
        if (!rule.starts_with(wildcard_prefix)) {
            if (normal_host(rule) == host) return host_match::exact;
            continue;
        }
        const std::string domain = "." + normal_host(rule.substr(wildcard_prefix.size()));
        const bool below = host.size() > domain.size() && host.ends_with(domain) && !is_literal(host);
        if (below && domain.size() > 1) best = host_match::wildcard;
    }
    return best;
}

result<http_url> check_configured_url(std::string_view text) {
    result<http_url> url = parse_http_url(text);
    if (url.has_error()) return url.error();
    if (url->scheme == url_scheme::http && !is_loopback_host(url->host))
        return make_error_code(callback_error::plain_http);
    return url;
}

result<allowed_url> check_callback_url(std::string_view text, const std::vector<std::string>& allow_hosts) {
    if (text.size() > max_callback_url) return make_error_code(callback_error::url_too_long);
    result<http_url> url = check_configured_url(text);
    if (url.has_error()) return url.error();
    const host_match match = match_host(*url, allow_hosts);
    if (match == host_match::none) return make_error_code(callback_error::host_not_allowed);
    allowed_url allowed;
    allowed.url = std::move(*url);
    allowed.exact_host = match == host_match::exact;
    return allowed;
}

} // namespace prooftrack
