#pragma once

// How transactions are divided among several daemons: each belongs to one of 256 shards by the number of its stored
// row. Numbers are given out one after the other, so the shards are of one size whatever the ids look like.

#include <bitset>
#include <cstddef>
#include <cstdint>

namespace prooftrack {

inline constexpr std::size_t shard_count = 256;

/// Which shards. With one daemon it has all of them.
using shard_set = std::bitset<shard_count>;

/// The statements of the store say `row & 255`.
constexpr std::uint8_t shard_of_row(std::int64_t row) { return static_cast<std::uint8_t>(row & 255); }

inline shard_set all_shards() { return ~shard_set(); }

} // namespace prooftrack
