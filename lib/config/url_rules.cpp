#include "config/url_rules.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>

#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>
#include <fmt/format.h>

namespace prooftrack {
namespace {

namespace urls = boost::urls;

constexpr std::string_view unix_scheme = "http+unix://";
constexpr std::string_view unix_rule = "a Unix socket is written http+unix:///absolute/path.sock:/target";
constexpr std::size_t longest_socket_path = 107; // sun_path

std::string_view without_brackets(std::string_view host) {
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
    return host;
}

std::optional<std::uint16_t> port_of(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
    return port;
}

bool is_ipv4(std::string_view text) { return static_cast<bool>(urls::parse_ipv4_address(text)); }
bool is_ipv6(std::string_view text) { return static_cast<bool>(urls::parse_ipv6_address(without_brackets(text))); }

bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > 253) return false;
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        const bool well_formed = !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
                                 std::all_of(label.begin(), label.end(), [](char c) {
                                     return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                                            (c >= '0' && c <= '9') || c == '-' || c == '_';
                                 });
        if (!well_formed) return false;
        if (label.size() + 1 == name.size()) return false; // a dot at the end
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return true;
}

/// 127.1, 0x7f000001, 2130706433: the resolver would read them as addresses, people would not.
bool is_address_in_disguise(std::string_view name) {
    const std::string_view last = name.substr(name.rfind('.') + 1);
    return last.starts_with("0x") || last.find_first_not_of("0123456789") == std::string_view::npos;
}

/// Whether letters beyond ASCII stand in it, as they are or percent-encoded.
bool has_foreign_letters(std::string_view host) {
    for (std::size_t i = 0; i < host.size(); ++i) {
        const bool is_encoded = host[i] == '%' && i + 1 < host.size() && host[i + 1] >= '8';
        if (static_cast<unsigned char>(host[i]) >= 0x80 || is_encoded) return true;
    }
    return false;
}

constexpr std::string_view foreign_rule =
    "a host with letters beyond ASCII is written in its xn-- form (as `idn2 HOST` prints it)";

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

/// What stands between `://` and the path, without the parser: it takes no letters beyond ASCII.
std::string_view authority_of(std::string_view url) {
    const auto begin = url.find("://");
    if (begin == std::string_view::npos) return {};
    url.remove_prefix(begin + 3);
    return url.substr(0, url.find_first_of("/?#"));
}

std::string check_host(std::string_view host) {
    if (host.empty()) return "the host is missing: write https://host/path";
    if (is_ipv4(host) || is_ipv6(host)) return {};
    if (host.ends_with('.')) host.remove_suffix(1);
    if (!is_host_name(host)) return "the host is neither a name nor an IP address";
    if (is_address_in_disguise(host)) return "write the IP address in full, as in 127.0.0.1";
    return {};
}

std::string check_web_url(std::string_view text, bool query_allowed) {
    if (has_foreign_letters(authority_of(text))) return std::string(foreign_rule);
    const auto parsed = urls::parse_uri(text);
    if (!parsed) return "not a URL: write https://host/path, with anything unusual percent-encoded";
    const urls::url_view& url = *parsed;
    const std::string scheme = lower(std::string_view(url.scheme().data(), url.scheme().size()));
    if (scheme != "https" && scheme != "http") return fmt::format("\"{}\" is not supported: write https://…", scheme);
    const std::string_view host(url.encoded_host().data(), url.encoded_host().size());
    const std::string_view path(url.encoded_path().data(), url.encoded_path().size());
    // Boost.URL 1.81 takes http://127.0.0.1.evil.example/ for the host 127.0.0.1 and the path .evil.example/.
    if (!path.empty() && path.front() != '/') return "a host name must not begin like an IPv4 address";
    if (auto problem = check_host(host); !problem.empty()) return problem;
    if (url.has_userinfo()) return "must not hold a user or password";
    if (url.has_fragment()) return "must not hold a fragment (#…)";
    if (url.has_query() && !query_allowed) return "must not hold a query (?…)";
    if (url.has_port() && !port_of(std::string_view(url.port().data(), url.port().size())))
        return "the port must be 1 to 65535";
    if (scheme == "http" && !names_this_machine(host)) {
        return "plain http is only for a loopback host (localhost, 127.0.0.1, [::1]): write https://…";
    }
    return {};
}

std::string check_unix_url(std::string_view text) {
    const std::string_view rest = text.substr(unix_scheme.size());
    const auto colon = rest.find(':');
    if (!rest.starts_with('/') || colon == std::string_view::npos || colon < 2) return std::string(unix_rule);
    const std::string_view path = rest.substr(0, colon);
    if (path.size() > longest_socket_path)
        return fmt::format("the socket's path has more than {} bytes", longest_socket_path);
    if (path.ends_with('/') || path.find_first_of("?%") != std::string_view::npos) return std::string(unix_rule);
    const std::string_view target = rest.substr(colon + 1);
    if (!urls::parse_origin_form(target)) return std::string(unix_rule);
    return {};
}

} // namespace

bool is_unix_url(std::string_view url) { return url.starts_with(unix_scheme); }

bool names_this_machine(std::string_view host) {
    const std::string_view bare = without_brackets(host);
    if (const auto v4 = urls::parse_ipv4_address(bare)) return v4->is_loopback();
    if (const auto v6 = urls::parse_ipv6_address(bare)) return v6->is_loopback();
    return lower(bare) == "localhost";
}

std::string check_base_url(std::string_view url) { return check_web_url(url, false); }

std::string check_callback_url(std::string_view url) {
    return is_unix_url(url) ? check_unix_url(url) : check_web_url(url, true);
}

bool is_tcp_host(std::string_view allowed_host) { return !allowed_host.starts_with("unix:"); }

std::string check_allowed_host(std::string_view host) {
    if (!is_tcp_host(host)) {
        const std::string_view path = host.substr(std::string_view("unix:").size());
        const bool well_formed = path.size() >= 2 && path.size() <= longest_socket_path && path.front() == '/' &&
                                 path.find(':') == std::string_view::npos;
        return well_formed ? std::string{} : std::string("a Unix socket is written unix:/absolute/path.sock");
    }
    if (host.find("://") != std::string_view::npos || host.find('/') != std::string_view::npos) {
        return "write the host alone, without scheme and path";
    }
    if (has_foreign_letters(host)) return std::string(foreign_rule);
    if (is_ipv4(host) || is_ipv6(host)) return {};
    if (host.find(':') != std::string_view::npos) return "write the host alone, without a port";
    const bool is_wildcard = host.starts_with("*.");
    const std::string_view name = is_wildcard ? host.substr(2) : host;
    if (name.find('*') != std::string_view::npos) return "* is only understood in front: *.shop.example";
    if (!is_host_name(name)) return "not a host name, an IP address or unix:/path";
    if (is_wildcard && name.find('.') == std::string_view::npos)
        return "too wide: name at least a domain, *.shop.example";
    return {};
}

std::string check_metrics_listen(std::string_view address) {
    if (address.empty()) return {};
    constexpr std::string_view rule = "write HOST:PORT on a loopback address, as in \"127.0.0.1:9464\"";
    const auto colon = address.rfind(':');
    if (colon == std::string_view::npos || !port_of(address.substr(colon + 1))) return std::string(rule);
    const std::string_view host = address.substr(0, colon);
    if (host.find(':') != std::string_view::npos && host.front() != '[')
        return "write an IPv6 address in brackets: \"[::1]:9464\"";
    if (!names_this_machine(host)) return fmt::format("{} (others would see it without any protection)", rule);
    return {};
}

} // namespace prooftrack
