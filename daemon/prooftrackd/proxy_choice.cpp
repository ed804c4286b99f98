#include "prooftrackd/proxy_choice.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/http_url.hpp"
#include "base/proxy_rules.hpp"
#include "config/secret_files.hpp"

namespace prooftrack::daemon {
namespace {

struct variable {
    std::string name;
    std::string value;
};

variable first_set(const machine& from, const char* lower, const char* upper) {
    for (const char* name : {lower, upper}) {
        std::string value = from.environment(name);
        if (!value.empty()) return {name, std::move(value)};
    }
    return {};
}

int digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string percent_decoded(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool is_encoded =
            text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
        plain += is_encoded ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
        if (is_encoded) i += 2;
    }
    return plain;
}

bool is_sendable(std::string_view credentials) {
    return credentials.size() <= config::max_proxy_credentials_bytes && !credentials.starts_with(':');
}

/// The proxy of a variable's value; nullopt when it is no URL of one.
result<net::http_proxy> parse_value(std::string text) {
    if (text.find("://") == std::string::npos) text.insert(0, "http://");
    net::http_proxy proxy;
    const auto authority = text.find("://") + 3;
    const auto at = text.substr(0, text.find('/', authority)).rfind('@');
    if (at != std::string::npos && at >= authority) {
        const std::string credentials = percent_decoded(text.substr(authority, at - authority));
        if (!is_sendable(credentials)) return make_error_code(boost::system::errc::invalid_argument);
        if (!credentials.empty()) {
            const bool has_colon = credentials.find(':') != std::string::npos;
            proxy.authorization = net::make_basic_authorization(secret(has_colon ? credentials : credentials + ':'));
        }
        text.erase(authority, at + 1 - authority);
    }
    auto address = parse_proxy_url(text);
    if (!address) return address.error();
    proxy.at = std::move(*address);
    return proxy;
}

} // namespace

environment_proxy read_environment_proxy(const machine& from) {
    environment_proxy found;
    const variable named = first_set(from, "https_proxy", "HTTPS_PROXY");
    found.variable = named.name;
    if (named.value.empty()) return found;
    const variable exempt = first_set(from, "no_proxy", "NO_PROXY");
    if (exempt.value.size() > max_no_proxy_bytes) {
        found.fault = fmt::format("{} of the environment is longer than {} bytes", exempt.name, max_no_proxy_bytes);
        return found;
    }
    found.exempt = no_proxy_list(exempt.value);
    auto proxy = parse_value(named.value);
    if (!proxy) {
        found.fault = fmt::format(
            "{} of the environment is no http:// proxy, which is the only kind that is supported", named.name);
        return found;
    }
    found.route.emplace(std::move(*proxy), found.exempt);
    return found;
}

std::string describe_way(const net::proxy_route& route, std::string_view url) {
    const auto target = parse_http_url(url);
    const net::http_proxy* used = target ? route.find(target->host, target->port) : nullptr;
    return used == nullptr ? "none" : describe(*used);
}

void note_proxy_use(
    std::vector<proxy_use>& uses, const std::string& proxy, const std::string& source, const std::string& user) {
    const auto same = std::find_if(
        uses.begin(), uses.end(), [&](const proxy_use& each) { return each.proxy == proxy && each.source == source; });
    if (same == uses.end())
        uses.push_back({proxy, source, user});
    else
        same->used_by += " " + user;
}

} // namespace prooftrack::daemon
