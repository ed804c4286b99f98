#include "base/http_url.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <boost/url/parse.hpp>

#include "base/host_rules.hpp"

namespace prooftrack {
namespace {

class url_category_type final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "prooftrack.url"; }
    std::string message(int value) const override {
        switch (static_cast<url_error>(value)) {
        case url_error::malformed:
            return "not a URL";
        case url_error::scheme:
            return "the scheme is not https, http or http+unix";
        case url_error::host_missing:
        case url_error::host:
        case url_error::host_abbreviated:
            return "the URL has no usable host";
        case url_error::letters:
            return "the host has letters beyond ASCII: write its xn-- form (as `idn2 HOST` prints it)";
        case url_error::port:
            return "the port is not 1 to 65535";
        case url_error::userinfo:
            return "the URL has a user or password";
        case url_error::fragment:
            return "the URL has a fragment";
        case url_error::socket:
        case url_error::socket_path_length:
            return "http+unix needs an absolute socket path of at most 107 bytes, as in "
                   "http+unix:///run/shop.sock:/hook";
        }
        return "unknown URL error";
    }
};

std::uint16_t default_port(url_scheme scheme) { return scheme == url_scheme::https ? 443 : 80; }

bool is_clean(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
}

/// Path and query, checked by the URL grammar; "/" when there is none.
result<std::string> parse_target(std::string_view text) {
    if (text.empty()) return std::string("/");
    const auto parsed = boost::urls::parse_origin_form(text);
    if (parsed.has_error()) return make_error_code(url_error::malformed);
    return std::string(text);
}

/// `text` is what stands behind `http+unix://`: `/run/shop.sock` or `/run/shop.sock:/hook?x=1`.
result<http_url> parse_unix_url(std::string_view text) {
    const auto split = text.find(":/");
    http_url url;
    url.scheme = url_scheme::http_unix;
    url.socket_path = text.substr(0, split);
    const bool usable = url.socket_path.starts_with('/') && url.socket_path.size() > 1 &&
                        !url.socket_path.ends_with('/') && url.socket_path.find_first_of("?%:") == std::string::npos;
    if (!usable) return make_error_code(url_error::socket);
    if (url.socket_path.size() > max_socket_path) return make_error_code(url_error::socket_path_length);
    result<std::string> target = parse_target(split == std::string_view::npos ? "" : text.substr(split + 1));
    if (target.has_error()) return target.error();
    url.target = std::move(*target);
    return url;
}

result<std::string> parse_host(std::string_view text) {
    if (text.empty()) return make_error_code(url_error::host_missing);
    const bool is_bracketed = text.starts_with('[') && text.ends_with(']');
    auto address = canonical_address(is_bracketed ? text.substr(1, text.size() - 2) : text);
    const bool is_v6 = address && address->find(':') != std::string::npos;
    if (is_bracketed != is_v6) return make_error_code(url_error::host);
    if (address) return std::move(*address);
    const std::string_view name = without_final_dot(text);
    if (!is_host_name(name)) return make_error_code(url_error::host);
    if (is_abbreviated_address(name)) return make_error_code(url_error::host_abbreviated);
    return lower_ascii(text);
}

result<std::uint16_t> parse_port(std::string_view text, url_scheme scheme) {
    if (text.empty()) return default_port(scheme);
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return make_error_code(url_error::port);
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
    if (authority.find('@') != std::string_view::npos) return make_error_code(url_error::userinfo);
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

/// What stands between `://` and the path.
std::string_view authority_of(std::string_view text) {
    const auto begin = text.find("://");
    if (begin == std::string_view::npos) return {};
    text.remove_prefix(begin + 3);
    return text.substr(0, text.find_first_of("/?#"));
}

} // namespace

const boost::system::error_category& url_category() {
    static const url_category_type category;
    return category;
}

error_code make_error_code(url_error error) { return {static_cast<int>(error), url_category()}; }

result<http_url> parse_http_url(std::string_view text) {
    if (has_foreign_letters(authority_of(text))) return make_error_code(url_error::letters);
    if (!is_clean(text)) return make_error_code(url_error::malformed);
    const auto colon = text.find(':');
    const std::string scheme = lower_ascii(text.substr(0, colon));
    if (colon == std::string_view::npos || !is_scheme(scheme)) return make_error_code(url_error::malformed);
    const bool is_unix = scheme == "http+unix";
    if (!is_unix && scheme != "https" && scheme != "http") return make_error_code(url_error::scheme);
    if (text.find('#') != std::string_view::npos) return make_error_code(url_error::fragment);
    std::string_view rest = text.substr(colon + 1);
    const bool has_authority = rest.starts_with("//");
    if (!has_authority) return make_error_code(is_unix ? url_error::socket : url_error::host_missing);
    rest.remove_prefix(2);
    return is_unix ? parse_unix_url(rest)
                   : parse_tcp_url(rest, scheme == "https" ? url_scheme::https : url_scheme::http);
}

bool is_https_url(std::string_view text) {
    const auto url = parse_http_url(text);
    return url && url->scheme == url_scheme::https;
}

bool is_encrypted_or_local(const http_url& url) { return url.scheme != url_scheme::http || is_loopback_host(url.host); }

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

} // namespace prooftrack
