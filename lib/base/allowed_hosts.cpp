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

bool is_tcp_host(std::string_view entry) { return !entry.starts_with(unix_prefix); }

} // namespace prooftrack
