#include "base/allowed_hosts.hpp"

#include <optional>

#include "base/host_rules.hpp"

namespace prooftrack {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view wildcard_prefix = "*.";

/// Lower case, without a final dot and brackets, addresses in their one spelling.
std::string normal_host(std::string_view text) {
    const std::string host = lower_ascii(without_brackets(without_final_dot(text)));
    return canonical_address(host).value_or(host);
}

bool covers_below(std::string_view domain, std::string_view host) {
    if (!host.ends_with(domain) || canonical_address(host)) return false; // an address is below no domain
    host.remove_suffix(domain.size());
    return host.size() > 1 && host.ends_with('.') && !domain.empty();
}

std::string check_socket(std::string_view path) {
    const bool well_formed = path.size() >= 2 && path.size() <= max_socket_path && path.front() == '/' &&
                             path.find(':') == std::string_view::npos;
    return well_formed ? std::string() : "a Unix socket is written unix:/absolute/path.sock";
}

} // namespace

host_match match_host(const http_url& url, const std::vector<std::string>& allow_hosts) {
    const std::string host = normal_host(url.host);
    host_match best = host_match::none;
    for (const std::string_view entry : allow_hosts) {
        if (url.scheme == url_scheme::http_unix || !is_tcp_host(entry)) {
            const bool is_listed = url.scheme == url_scheme::http_unix && !is_tcp_host(entry) &&
                                   entry.substr(unix_prefix.size()) == url.socket_path;
            if (is_listed) return host_match::exact;
        } else if (!entry.starts_with(wildcard_prefix)) {
            if (normal_host(entry) == host) return host_match::exact;
        } else if (covers_below(normal_host(entry.substr(wildcard_prefix.size())), host)) {
            best = host_match::wildcard;
        }
    }
    return best;
}

std::string check_allowed_host(std::string_view entry) {
    if (!is_tcp_host(entry)) return check_socket(entry.substr(unix_prefix.size()));
    if (entry.find('/') != std::string_view::npos) return "write the host alone, without scheme and path";
    if (has_foreign_letters(entry))
        return "a host with letters beyond ASCII is written in its xn-- form (as `idn2 HOST` prints it)";
    if (canonical_address(without_brackets(entry))) return {};
    if (entry.find(':') != std::string_view::npos) return "write the host alone, without a port";
    const bool is_wildcard = entry.starts_with(wildcard_prefix);
    const std::string_view name = is_wildcard ? entry.substr(wildcard_prefix.size()) : entry;
    if (name.find('*') != std::string_view::npos) return "* is only understood in front: *.shop.example";
    if (!is_host_name(name)) return "not a host name, an IP address or unix:/path";
    if (is_abbreviated_address(name)) return "write the IP address in full, as in 127.0.0.1";
    if (is_wildcard && name.find('.') == std::string_view::npos)
        return "too wide: name at least a domain, *.shop.example";
    return {};
}

std::string check_plain_http_host(std::string_view entry) {
    if (!is_tcp_host(entry)) return "a Unix socket needs no entry: write a host";
    if (entry.find('*') != std::string_view::npos) return "write each host in full: * stands for none here";
    return check_allowed_host(entry);
}

bool is_plain_http_host(const http_url& url, const std::vector<std::string>& plain_http_hosts) {
    return url.scheme == url_scheme::http && match_host(url, plain_http_hosts) == host_match::exact;
}

bool may_be_called(const http_url& url, const std::vector<std::string>& plain_http_hosts) {
    return is_encrypted_or_local(url) || is_plain_http_host(url, plain_http_hosts);
}

own_url_verdict judge_own_url(
    const http_url& url, const std::vector<std::string>& allow_hosts,
    const std::vector<std::string>& plain_http_hosts) {
    if (!may_be_called(url, plain_http_hosts)) return own_url_verdict::plain_http;
    switch (match_host(url, allow_hosts)) {
    case host_match::exact:
        return own_url_verdict::exact;
    case host_match::wildcard:
        return is_encrypted_or_local(url) ? own_url_verdict::wildcard : own_url_verdict::plain_http;
    case host_match::none:
        break;
    }
    return own_url_verdict::not_listed;
}

bool is_tcp_host(std::string_view entry) { return !entry.starts_with(unix_prefix); }

} // namespace prooftrack
