#pragma once

// The hash of every table whose keys come from outside: with a key of this process, so that no client can choose keys
// that fall into one place.

#include <cstdint>
#include <string>
#include <string_view>

namespace prooftrack {

struct hash_key {
    std::uint64_t first = 0x0706050403020100ULL;
    std::uint64_t second = 0x0f0e0d0c0b0a0908ULL;
};

/// The key that containers take when they are made. Constant until it is set, so that tests and the simulation are
/// repeatable; the daemon sets a random one before it makes anything else.
hash_key process_hash_key();
void set_process_hash_key(hash_key key);

/// SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012) of the bytes.
std::uint64_t keyed_hash(const hash_key& key, std::string_view bytes);

/// For standard and Boost containers; takes std::string and std::string_view alike.
struct keyed_string_hash {
    using is_transparent = void;
    using is_avalanching = void;
    hash_key key = process_hash_key();
    std::size_t operator()(std::string_view text) const { return keyed_hash(key, text); }
};

} // namespace prooftrack
