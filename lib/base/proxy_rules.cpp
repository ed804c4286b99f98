#include "base/proxy_rules.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "base/expects.hpp"
#include "base/host_rules.hpp"
#include "base/http_url.hpp"

namespace prooftrack {
namespace {

/// The 4 or 16 bytes of a literal address; "" for anything else.
std::string bytes_of_address(std::string_view text) {
    const std::string terminated(text);
    std::array<char, 16> bytes{};
    if (terminated.find('\0') != std::string::npos) return {};
    if (::inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 4);
    if (::inet_pton(AF_INET6, terminated.c_str(), bytes.data()) == 1) return std::string(bytes.data(), 16);
    return {};
}

template <class Number>
bool read_number(std::string_view text, Number most, Number& into) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), into);
    return !text.empty() && error == std::errc{} && end == text.data() + text.size() && into <= most;
}

bool is_in_network(std::string_view address, std::string_view network, unsigned prefix) {
    if (address.size() != network.size()) return false;
    const std::size_t whole = prefix / 8;
    if (address.substr(0, whole) != network.substr(0, whole)) return false;
    const unsigned rest = prefix % 8;
    if (rest == 0) return true;
    const unsigned mask = 0xFFU << (8 - rest);
    const auto differing = static_cast<unsigned>(address[whole]) ^ static_cast<unsigned>(network[whole]);
    return (differing & mask & 0xFFU) == 0;
}

} // namespace

result<proxy_address> parse_proxy_url(std::string_view text) {
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos) return make_error_code(url_error::malformed);
    if (lower_ascii(text.substr(0, scheme_end)) != "http") return make_error_code(url_error::scheme);
    auto url = parse_http_url(text);
    if (!url) return url.error();
    if (url->target != "/") return make_error_code(url_error::malformed);
    return proxy_address{std::move(url->host), url->port};
}

std::string check_proxy_url(std::string_view text) {
    const auto parsed = parse_proxy_url(text);
    if (parsed) return {};
    if (parsed.error() == url_error::userinfo) {
        return "must not hold a user or password: write user:password into a file and name it in "
               "proxy_credentials_file";
    }
    if (parsed.error() == url_error::scheme)
        return "only an http:// proxy is supported, one that takes CONNECT: neither TLS to the proxy nor SOCKS";
    return "not a proxy: write \"http://proxy.example:3128\", \"none\", or \"\" for that of the environment";
}

std::string format_host_and_port(std::string_view host, std::uint16_t port) {
    const bool is_v6 = host.find(':') != std::string_view::npos;
    return is_v6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

no_proxy_list::no_proxy_list(std::string_view text) {
    expects(text.size() <= max_no_proxy_bytes, "no_proxy_list: the text is over its bound");
    constexpr std::string_view separators = ", \t";
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find_first_of(separators));
        entry one;
        if (!word.empty() && read_entry(word, one)) entries_.push_back(std::move(one));
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
}

bool no_proxy_list::read_entry(std::string_view text, entry& into) {
    into.covers_all = text == "*";
    if (into.covers_all) return true;
    const auto closing = text.find(']');
    const bool is_bracketed = text.starts_with('[') && closing != std::string_view::npos;
    const bool is_bare_v6 = !is_bracketed && std::count(text.begin(), text.end(), ':') > 1;
    const auto colon = is_bare_v6 ? std::string_view::npos : text.find(':', is_bracketed ? closing : 0);
    if (colon != std::string_view::npos) {
        if (!read_number<std::uint16_t>(text.substr(colon + 1), 65'535, into.port) || into.port == 0) return false;
        text = text.substr(0, colon);
    }
    text = without_brackets(text);
    const auto slash = text.find('/');
    into.network = bytes_of_address(text.substr(0, slash));
    if (!into.network.empty()) {
        const auto bits = static_cast<unsigned>(into.network.size() * 8);
        into.prefix = bits;
        return slash == std::string_view::npos || read_number(text.substr(slash + 1), bits, into.prefix);
    }
    if (text.starts_with('.')) text.remove_prefix(1);
    into.name = lower_ascii(without_final_dot(text));
    return !into.name.empty() && slash == std::string_view::npos;
}

bool no_proxy_list::covers(const entry& one, std::string_view name, std::string_view address) {
    if (one.covers_all) return true;
    if (!one.network.empty()) return is_in_network(address, one.network, one.prefix);
    if (!address.empty() || !name.ends_with(one.name)) return false;
    return name.size() == one.name.size() || name[name.size() - one.name.size() - 1] == '.';
}

bool no_proxy_list::covers(std::string_view host, std::uint16_t port) const {
    const std::string address = bytes_of_address(host);
    const std::string name = lower_ascii(without_final_dot(host));
    return std::any_of(entries_.begin(), entries_.end(), [&](const entry& one) {
        return (one.port == 0 || one.port == port) && covers(one, name, address);
    });
}

} // namespace prooftrack
