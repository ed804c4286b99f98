#pragma once

// A small seeded 64-bit hash by which an unchanged reply is recognised before it is parsed.

#include <cstdint>
#include <string_view>

namespace prooftrack::proof {

/// Hash of a reply's body; never 0 (0 means "none known"). Equal only for the same seed and bytes, but for chance
/// (2^-64). Not for secrets and not portable between byte orders: it lives in memory only.
std::uint64_t hash_body(std::string_view body, std::uint64_t seed);

} // namespace prooftrack::proof
