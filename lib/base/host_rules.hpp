#pragma once

// Host names and literal addresses as people write them. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace prooftrack {

/// Letters A to Z in lower case, all else as it is.
std::string lower_ascii(std::string_view text);

/// `shop.example.` is shop.example written in full.
std::string_view without_final_dot(std::string_view host);

/// `[::1]` is ::1 as it stands in a URL.
std::string_view without_brackets(std::string_view host);

/// Letters, digits, `-` (not at an end) and `_` in labels of 1 to 63, at most 253 in all, without a final dot.
bool is_host_name(std::string_view name);

/// Whether getaddrinfo would take it for an address although people would not: 127.1, 0x7f000001, 2130706433.
bool is_abbreviated_address(std::string_view name);

/// Whether bytes beyond ASCII stand in it, as they are or percent-encoded.
bool has_foreign_letters(std::string_view host);

/// A literal address in its one spelling; nullopt for anything else. IPv6 is written without brackets and zone.
std::optional<std::string> canonical_address(std::string_view text);

/// The 4 or 16 bytes of an address: 127.0.0.0/8 and ::1, v4-mapped or not. What is sent there does not leave this
/// machine. (NAT64 and 6to4 addresses with 127.0.0.1 inside do.)
bool is_loopback_bytes(std::span<const std::uint8_t> bytes);

/// The name itself, in any case.
bool is_localhost(std::string_view host);

/// True for `localhost` and for literal loopback addresses, with or without brackets.
bool is_loopback_host(std::string_view host);

} // namespace prooftrack
