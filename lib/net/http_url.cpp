#include "net/http_url.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>

#include "net/address_rules.hpp"

namespace prooftrack {
namespace {

constexpr std::size_t max_socket_path = 107;

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

std::uint16_t default_port(url_scheme scheme) { return scheme == url_scheme::https ? 443 : 80; }

bool is_clean(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

bool is_host_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

/// Letters, digits, `-`, `_` in labels of 1 to 63, at most 253 in all; a final dot is allowed.
bool is_host_name(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    if (host.empty() || host.size() > 253) return false;
    std::size_t label = 0;
    for (const char c : host) {
        if (!is_host_character(c)) return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63 || (c == '.' && label == 0 && host.front() == '.')) return false;
    }
    return host.find("..") == std::string_view::npos && label > 0;
}

/// The target behind `at`, checked by the URL grammar; "/" when there is none.
result<std::string> parse_target(std::string_view text) {
    if (text.empty()) return std::string("/");
    const auto parsed = boost::urls::parse_origin_form(text);
    if (parsed.has_error()) return make_error_code(net_error::bad_url);
    return std::string(text);
}

/// `text` is what stands behind `http+unix://`: `/run/shop.sock` or `/run/shop.sock:/hook?x=1`.
result<http_url> parse_unix_url(std::string_view text) {
    const auto split = text.find(":/");
    http_url url;
    url.scheme = url_scheme::http_unix;
    url.socket_path = text.substr(0, split);
    const bool usable = url.socket_path.starts_with('/') && url.socket_path.size() > 1 &&
                        url.socket_path.size() <= max_socket_path && !url.socket_path.ends_with('/') &&
                        url.socket_path.find_first_of("?%:") == std::string::npos;
    if (!usable) return make_error_code(net_error::url_socket);
    result<std::string> target = parse_target(split == std::string_view::npos ? "" : text.substr(split + 1));
    if (target.has_error()) return target.error();
    url.target = std::move(*target);
    return url;
}

/// Whether getaddrinfo would take it for an address although people would not: 127.1, 0x7f000001, 2130706433.
bool looks_like_number(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    host.remove_prefix(host.find_last_of('.') + 1);
    const bool digits = std::all_of(host.begin(), host.end(), [](char c) { return c >= '0' && c <= '9'; });
    return digits || host.starts_with("0x");
}

result<std::string> parse_host(std::string_view text) {
    error_code not_literal;
    if (text.starts_with('[') && text.ends_with(']')) {
        const std::string inner(text.substr(1, text.size() - 2));
        const auto address = boost::asio::ip::make_address_v6(inner, not_literal);
        if (not_literal || inner.find('%') != std::string::npos) return make_error_code(net_error::url_host);
        return address.to_string();
    }
    std::string host = lower(text);
    const auto address = boost::asio::ip::make_address_v4(host, not_literal);
    if (!not_literal) return address.to_string();
    if (!is_host_name(host) || looks_like_number(host)) return make_error_code(net_error::url_host);
    return host;
}

result<std::uint16_t> parse_port(std::string_view text, url_scheme scheme) {
    if (text.empty()) return default_port(scheme);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0)
        return make_error_code(net_error::url_port);
    return port;
}

/// Scheme names begin with a letter and go on with letters, digits, `+`, `-`, `.`.
bool is_scheme(std::string_view text) {
    return !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
           text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == std::string_view::npos;
}

/// `text` is what stands behind `https://`.
result<http_url> parse_tcp_url(std::string_view text, url_scheme scheme) {
    // Cut by hand: Boost.URL 1.81 reads 127.0.0.1.example as an address and a path that begins with a dot.
    const std::string_view authority = text.substr(0, text.find_first_of("/?"));
    if (authority.find('@') != std::string_view::npos) return make_error_code(net_error::url_userinfo);
    const auto bracket = authority.find(']');
    const auto colon = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    const bool has_port = colon != std::string_view::npos;
    result<std::string> host = parse_host(authority.substr(0, colon));
    if (host.has_error()) return host.error();
    const result<std::uint16_t> port = parse_port(has_port ? authority.substr(colon + 1) : "", scheme);
    if (port.has_error()) return port.error();
    std::string path(text.substr(authority.size()));
    if (path.starts_with('?')) path.insert(0, "/");
    result<std::string> target = parse_target(path);
    if (target.has_error()) return target.error();
    http_url url;
    url.scheme = scheme;
    url.host = std::move(*host);
    url.port = *port;
    url.target = std::move(*target);
    return url;
}

/// Whether bytes beyond ASCII, as they are or percent-encoded, stand where the host is.
bool has_foreign_host(std::string_view text) {
    const auto begin = text.find("://");
    if (begin == std::string_view::npos) return false;
    text.remove_prefix(begin + 3);
    text = text.substr(0, text.find_first_of("/?#"));
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_encoded = text[i] == '%' && i + 1 < text.size() && text[i + 1] >= '8';
        if (static_cast<unsigned char>(text[i]) >= 0x80 || is_encoded) return true;
    }
    return false;
}

} // namespace

result<http_url> parse_http_url(std::string_view text) {
    if (has_foreign_host(text)) return make_error_code(net_error::url_letters);
    if (!is_clean(text)) return make_error_code(net_error::bad_url);
    const auto colon = text.find(':');
    const std::string scheme = lower(text.substr(0, colon));
    if (colon == std::string_view::npos || !is_scheme(scheme)) return make_error_code(net_error::bad_url);
    const bool is_unix = scheme == "http+unix";
    if (!is_unix && scheme != "https" && scheme != "http") return make_error_code(net_error::url_scheme);
    if (text.find('#') != std::string_view::npos) return make_error_code(net_error::url_fragment);
    std::string_view rest = text.substr(colon + 1);
    const bool has_authority = rest.starts_with("//");
    if (!has_authority) return make_error_code(is_unix ? net_error::url_socket : net_error::url_host);
    rest.remove_prefix(2);
    return is_unix ? parse_unix_url(rest)
                   : parse_tcp_url(rest, scheme == "https" ? url_scheme::https : url_scheme::http);
}

std::string format_lane(const http_url& url) {
    if (url.scheme == url_scheme::http_unix) return fmt::format("http+unix://{}", url.socket_path);
    const bool bracketed = url.host.find(':') != std::string::npos;
    const std::string_view scheme = url.scheme == url_scheme::https ? "https" : "http";
    return bracketed ? fmt::format("{}://[{}]:{}", scheme, url.host, url.port)
                     : fmt::format("{}://{}:{}", scheme, url.host, url.port);
}

std::string format_host_header(const http_url& url) {
    if (url.scheme == url_scheme::http_unix) return "localhost";
    const std::string host = url.host.find(':') != std::string::npos ? fmt::format("[{}]", url.host) : url.host;
    return url.port == default_port(url.scheme) ? host : fmt::format("{}:{}", host, url.port);
}

bool is_localhost(std::string_view host) { return lower(host) == "localhost"; }

bool is_loopback_host(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (is_localhost(host)) return true;
    error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    return !error && is_loopback_address(address);
}

} // namespace prooftrack
