#include "net/http_url.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "net/address_rules.hpp"

namespace prooftrack {
namespace {

constexpr std::size_t max_socket_path = 107;
constexpr std::string_view unix_prefix = "http+unix://";

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
    if (text.find('#') != std::string_view::npos) return make_error_code(net_error::url_fragment);
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

result<std::string> parse_host(const boost::urls::url_view& view) {
    using boost::urls::host_type;
    switch (view.host_type()) {
    case host_type::ipv4:
        return std::string(view.host_address());
    case host_type::ipv6: {
        error_code error;
        const auto address = boost::asio::ip::make_address_v6(std::string(view.host_address()), error);
        if (error) return make_error_code(net_error::url_host);
        return address.to_string();
    }
    case host_type::name: {
        const std::string host = lower(std::string_view(view.encoded_host().data(), view.encoded_host().size()));
        if (!is_host_name(host)) return make_error_code(net_error::url_host);
        // 127.1, 0x7f000001, 2130706433: getaddrinfo would read them as addresses, people would not.
        std::string_view last = host;
        if (last.ends_with('.')) last.remove_suffix(1);
        last.remove_prefix(last.find_last_of('.') + 1);
        const bool digits = std::all_of(last.begin(), last.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (digits || last.starts_with("0x")) return make_error_code(net_error::url_host);
        return host;
    }
    case host_type::none:
    case host_type::ipvfuture:
        break;
    }
    return make_error_code(net_error::url_host);
}

result<std::uint16_t> parse_port(const boost::urls::url_view& view, url_scheme scheme) {
    if (!view.has_port() || view.port().empty()) return default_port(scheme);
    if (view.port_number() == 0) return make_error_code(net_error::url_port);
    return view.port_number();
}

} // namespace

result<http_url> parse_http_url(std::string_view text) {
    if (!is_clean(text)) return make_error_code(net_error::bad_url);
    if (lower(text.substr(0, unix_prefix.size())) == unix_prefix)
        return parse_unix_url(text.substr(unix_prefix.size()));
    const auto parsed = boost::urls::parse_uri(text);
    if (parsed.has_error()) return make_error_code(net_error::bad_url);
    const boost::urls::url_view view = *parsed;
    http_url url;
    const std::string scheme = lower(std::string_view(view.scheme().data(), view.scheme().size()));
    if (scheme == "http")
        url.scheme = url_scheme::http;
    else if (scheme != "https")
        return make_error_code(net_error::url_scheme);
    if (view.has_userinfo()) return make_error_code(net_error::url_userinfo);
    if (view.has_fragment()) return make_error_code(net_error::url_fragment);
    // Boost.URL 1.81 reads "127.0.0.1.example" as the address and a path that begins with a dot.
    if (const auto path = view.encoded_path(); !path.empty() && path.front() != '/')
        return make_error_code(net_error::bad_url);
    result<std::string> host = parse_host(view);
    if (host.has_error()) return host.error();
    const result<std::uint16_t> port = parse_port(view, url.scheme);
    if (port.has_error()) return port.error();
    url.host = std::move(*host);
    url.port = *port;
    const auto target = view.encoded_target();
    url.target = std::string(target.data(), target.size());
    if (url.target.empty() || url.target.front() != '/') url.target.insert(0, "/"); // also "?query" alone
    return url;
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

bool is_loopback_host(std::string_view host) {
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    if (lower(host) == "localhost") return true;
    error_code error;
    const auto address = boost::asio::ip::make_address(std::string(host), error);
    return !error && classify_address(address) == address_kind::loopback;
}

} // namespace prooftrack
