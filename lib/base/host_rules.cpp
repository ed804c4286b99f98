#include "base/host_rules.hpp"

#include <algorithm>
#include <array>

#include <arpa/inet.h>

namespace prooftrack {
namespace {

constexpr std::array<std::uint8_t, 12> v4_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

struct literal_address {
    int family = AF_INET;
    std::array<std::uint8_t, 16> storage{};
    std::span<const std::uint8_t> bytes() const { return std::span(storage).first(family == AF_INET ? 4 : 16); }
};

std::optional<literal_address> parse_address(std::string_view text) {
    const std::string terminated(text);
    if (terminated.find('\0') != std::string::npos) return std::nullopt;
    literal_address address;
    if (::inet_pton(AF_INET, terminated.c_str(), address.storage.data()) == 1) return address;
    address.family = AF_INET6;
    if (::inet_pton(AF_INET6, terminated.c_str(), address.storage.data()) == 1) return address;
    return std::nullopt;
}

bool is_label_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

} // namespace

std::string lower_ascii(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

std::string_view without_final_dot(std::string_view host) {
    if (host.ends_with('.')) host.remove_suffix(1);
    return host;
}

std::string_view without_brackets(std::string_view host) {
    if (host.size() >= 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
    return host;
}

bool is_host_name(std::string_view name) {
    if (name.empty() || name.size() > 253 || name.ends_with('.')) return false;
    while (!name.empty()) {
        const std::string_view label = name.substr(0, name.find('.'));
        const bool well_formed = !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
                                 std::all_of(label.begin(), label.end(), is_label_character);
        if (!well_formed) return false;
        name.remove_prefix(std::min(name.size(), label.size() + 1));
    }
    return true;
}

bool is_abbreviated_address(std::string_view name) {
    name = without_final_dot(name);
    const std::string last = lower_ascii(name.substr(name.rfind('.') + 1));
    return last.starts_with("0x") || last.find_first_not_of("0123456789") == std::string::npos;
}

bool has_foreign_letters(std::string_view host) {
    for (std::size_t i = 0; i < host.size(); ++i) {
        const bool is_encoded = host[i] == '%' && i + 1 < host.size() && host[i + 1] >= '8';
        if (static_cast<unsigned char>(host[i]) >= 0x80 || is_encoded) return true;
    }
    return false;
}

std::optional<std::string> canonical_address(std::string_view text) {
    const auto address = parse_address(text);
    if (!address) return std::nullopt;
    std::array<char, INET6_ADDRSTRLEN> spelled{};
    ::inet_ntop(address->family, address->storage.data(), spelled.data(), spelled.size()); // fails for no address
    return std::string(spelled.data());
}

bool is_loopback_bytes(std::span<const std::uint8_t> bytes) {
    const bool is_mapped = bytes.size() == 16 && std::equal(v4_mapped.begin(), v4_mapped.end(), bytes.begin());
    if (is_mapped) bytes = bytes.subspan(v4_mapped.size());
    if (bytes.size() == 4) return bytes.front() == 127;
    return bytes.size() == 16 && bytes.back() == 1 &&
           std::all_of(bytes.begin(), bytes.end() - 1, [](std::uint8_t byte) { return byte == 0; });
}

bool is_localhost(std::string_view host) { return lower_ascii(host) == "localhost"; }

bool is_loopback_host(std::string_view host) {
    host = without_brackets(host);
    if (is_localhost(host)) return true;
    const auto address = parse_address(host);
    return address && is_loopback_bytes(address->bytes());
}

} // namespace prooftrack
