#include "prooftrackctl/bridge/broker_url.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "base/host_rules.hpp"

namespace prooftrack::ctl {

namespace {

std::uint16_t default_port(std::string_view scheme, bool is_tls) {
    if (scheme == "amqp") return is_tls ? 5671 : 5672;
    return 6379;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            out += text[at];
            continue;
        }
        unsigned value = 0;
        const std::string_view digits = text.substr(at + 1, 2);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
        if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2 || value == 0) return std::nullopt;
        out += static_cast<char>(value);
        at += 2;
    }
    return out;
}

/// "" when it is neither a name nor an address.
std::string host_of(std::string_view text) {
    const std::string_view inside = without_brackets(text);
    if (auto address = canonical_address(inside)) {
        const bool is_v6 = address->find(':') != std::string::npos;
        return is_v6 == (inside.size() != text.size()) ? std::move(*address) : std::string();
    }
    const std::string_view name = without_final_dot(text);
    return is_host_name(name) && !is_abbreviated_address(name) ? lower_ascii(name) : std::string();
}

} // namespace

std::string parse_broker_url(std::string_view text, std::string_view scheme, broker_url& into) {
    const std::string expected = fmt::format("{0}://HOST[:PORT][/PATH] or {0}s://HOST…", scheme);
    const auto is_plain_text = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos || !std::all_of(text.begin(), text.end(), is_plain_text))
        return "it is not a URL: " + expected;
    const std::string_view rest = text.substr(colon + 3);
    const std::size_t slash = rest.find('/');
    std::string_view authority = rest.substr(0, slash);
    if (authority.find('@') != std::string_view::npos)
        return "no user or password in it: others see command lines. Write USER:PASSWORD into a file and name that "
               "with --credentials-file";
    if (rest.find_first_of("?#") != std::string_view::npos) return "no ? and no # in it: " + expected;
    broker_url url;
    url.scheme = lower_ascii(text.substr(0, colon));
    url.is_tls = url.scheme == fmt::format("{}s", scheme);
    if (!url.is_tls && url.scheme != scheme) return "its scheme is another: " + expected;
    const std::size_t bracket = authority.find(']');
    const std::size_t port = authority.find(':', bracket == std::string_view::npos ? 0 : bracket);
    url.host = host_of(authority.substr(0, port));
    if (url.host.empty()) return "it has no usable host: " + expected;
    url.port = default_port(scheme, url.is_tls);
    if (port != std::string_view::npos) {
        const std::string_view digits = authority.substr(port + 1);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
        if (error != std::errc{} || end != digits.data() + digits.size() || url.port == 0)
            return "its port is not 1 to 65535";
    }
    auto path = percent_decoded(slash == std::string_view::npos ? std::string_view() : rest.substr(slash + 1));
    if (!path || path->size() > 255) return "what stands behind the slash cannot be read";
    url.path = std::move(*path);
    into = std::move(url);
    return "";
}

std::string format_broker_url(const broker_url& url) {
    const bool is_v6 = url.host.find(':') != std::string::npos;
    return fmt::format(
        "{}://{}{}{}:{}{}{}", url.scheme, is_v6 ? "[" : "", url.host, is_v6 ? "]" : "", url.port,
        url.path.empty() ? "" : "/", url.path);
}

bool is_encrypted_or_local(const broker_url& url) { return url.is_tls || is_loopback_host(url.host); }

std::string parse_broker_credentials(std::string_view text, broker_credentials& into) {
    if (text.ends_with('\n')) text.remove_suffix(1);
    if (text.ends_with('\r')) text.remove_suffix(1);
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return "it is not USER:PASSWORD on one line";
    const bool is_clean = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20; });
    if (!is_clean) return "it is not one line, or has control characters";
    if (colon + 1 == text.size()) return "its password is empty";
    into.user = text.substr(0, colon);
    into.password = secret(std::string(text.substr(colon + 1)));
    return "";
}

} // namespace prooftrack::ctl
