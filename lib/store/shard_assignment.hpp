#pragma once

// Which node a shard belongs to, decided by every node alone: from the names of those who are living.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/shards.hpp"

namespace prooftrack::store {

/// For each shard the index of its node in `living`, -1 when nobody is. The order of `living` does not matter for which
/// name gets what; each name may be there once. Shares differ by one shard at most.
std::array<std::int16_t, shard_count> assign_shards(std::span<const std::string> living);

/// Those of `node`; none when it is not living.
shard_set wanted_by(std::span<const std::string> living, std::string_view node);

} // namespace prooftrack::store
