#include "config/url_rules.hpp"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "base/allowed_hosts.hpp"
#include "base/host_rules.hpp"
#include "base/http_url.hpp"
#include "base/proxy_rules.hpp"
#include "config/config.hpp"

namespace prooftrack::config {
namespace {

constexpr std::string_view unix_rule = "a Unix socket is written http+unix:///absolute/path.sock:/target";
constexpr std::size_t unix_scheme_length = std::string_view("http+unix://").size();

bool is_port(std::string_view text) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc{} && end == text.data() + text.size() && port != 0;
}

std::string refuse_scheme(std::string_view url) {
    return fmt::format("\"{}\" is not supported: write https://…", lower_ascii(url.substr(0, url.find(':'))));
}

/// What to write, in the words of the configuration.
std::string explain(error_code fault, std::string_view url) {
    if (fault == url_error::scheme) return refuse_scheme(url);
    if (fault == url_error::host_missing) return "the host is missing: write https://host/path";
    if (fault == url_error::host) return "the host is neither a name nor an IP address";
    if (fault == url_error::host_abbreviated) return "write the IP address in full, as in 127.0.0.1";
    if (fault == url_error::letters)
        return "a host with letters beyond ASCII is written in its xn-- form (as `idn2 HOST` prints it)";
    if (fault == url_error::port) return "the port must be 1 to 65535";
    if (fault == url_error::userinfo) return "must not hold a user or password";
    if (fault == url_error::fragment) return "must not hold a fragment (#…)";
    if (fault == url_error::socket) return std::string(unix_rule);
    if (fault == url_error::socket_path_length)
        return fmt::format("the socket's path has more than {} bytes", max_socket_path);
    return "not a URL: write https://host/path, with anything unusual percent-encoded";
}

constexpr const char* transport_rule =
    "plain http is only for a loopback host (localhost, 127.0.0.1, [::1]): write https://…";

} // namespace

bool is_unix_url(std::string_view url) {
    const auto parsed = parse_http_url(url);
    return parsed && parsed->scheme == url_scheme::http_unix;
}

std::string check_base_url(std::string_view url) {
    const auto parsed = parse_http_url(url);
    if (!parsed) return explain(parsed.error(), url);
    if (parsed->scheme == url_scheme::http_unix) return refuse_scheme(url);
    if (parsed->target.find('?') != std::string::npos) return "must not hold a query (?…)";
    return is_encrypted_or_local(*parsed) ? std::string() : transport_rule;
}

std::string check_callback_form(std::string_view url) {
    const auto parsed = parse_http_url(url);
    if (!parsed) return explain(parsed.error(), url);
    // The API lets a target be left out; a forgotten colon before it would make it a part of the socket's path.
    const bool has_no_target = url.size() == unix_scheme_length + parsed->socket_path.size();
    if (parsed->scheme == url_scheme::http_unix && has_no_target) return std::string(unix_rule);
    return {};
}

std::string check_callback_url(std::string_view url, const std::vector<std::string>& plain_http_hosts) {
    if (std::string problem = check_callback_form(url); !problem.empty()) return problem;
    if (may_be_called(parse_http_url(url).value(), plain_http_hosts)) return {};
    return fmt::format("{}, or name a private host in network.plain_http_hosts", transport_rule);
}

std::string check_proxy(std::string_view proxy) {
    if (proxy.empty() || proxy == no_proxy_word) return {};
    return check_proxy_url(proxy);
}

std::string check_metrics_listen(std::string_view address, bool allow_remote) {
    if (address.empty()) return {};
    const std::string_view rule = allow_remote ? "write ADDRESS:PORT, as in \"10.0.0.5:9464\" or \"[::]:9464\""
                                               : "write HOST:PORT on a loopback address, as in \"127.0.0.1:9464\"";
    const auto colon = address.rfind(':');
    if (colon == std::string_view::npos || !is_port(address.substr(colon + 1))) return std::string(rule);
    const std::string_view host = address.substr(0, colon);
    if (host.find(':') != std::string_view::npos && host.front() != '[')
        return "write an IPv6 address in brackets: \"[::1]:9464\"";
    if (is_loopback_host(host)) return {};
    if (!allow_remote)
        return fmt::format(
            "{} (others would see it without any protection; if that is meant, set metrics.allow_remote = true)", rule);
    return canonical_address(without_brackets(host)) ? std::string() : std::string(rule);
}

bool is_remote_listen(std::string_view address) {
    return !address.empty() && !is_loopback_host(address.substr(0, address.rfind(':')));
}

} // namespace prooftrack::config
