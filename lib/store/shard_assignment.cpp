#include "store/shard_assignment.hpp"

#include <algorithm>
#include <vector>

#include "base/random.hpp"

namespace prooftrack::store {
namespace {

std::uint64_t mix(std::uint64_t number) { return random_source(number).next(); }

/// FNV-1a, which is the same on every machine.
std::uint64_t hash_of(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char each : text) {
        hash ^= static_cast<unsigned char>(each);
        hash *= 0x100000001b3ULL;
    }
    return hash;
}

struct candidate {
    std::uint64_t weight = 0;
    std::size_t node = 0;
};

} // namespace

// Rendezvous hashing: each pair of a node and a shard has a weight, and a shard goes to the node of the highest one, so
// that a node that comes or goes moves no shard between the others. Alone it is uneven, as 256 are few: three nodes
// would get 75, 90 and 91, and work and limits are divided evenly. So a node takes its share and no more, and a shard
// whose best node is full goes to its next best one. The shards are asked in the order of their numbers: everybody
// comes to the same result. The price is that a change of the nodes moves a few shards between those that stay.
std::array<std::int16_t, shard_count> assign_shards(std::span<const std::string> living) {
    std::array<std::int16_t, shard_count> assigned{};
    assigned.fill(-1);
    if (living.empty()) return assigned;
    const std::size_t share = shard_count / living.size();
    std::size_t with_one_more = shard_count % living.size();
    std::vector<std::uint64_t> hashes;
    for (const std::string& each : living) hashes.push_back(hash_of(each));
    std::vector<std::size_t> taken(living.size(), 0);
    std::vector<candidate> candidates(living.size());
    for (std::size_t shard = 0; shard < shard_count; ++shard) {
        for (std::size_t i = 0; i < living.size(); ++i) candidates[i] = {mix(hashes[i] ^ mix(shard)), i};
        std::sort(candidates.begin(), candidates.end(), [living](const candidate& a, const candidate& b) {
            return a.weight != b.weight ? a.weight > b.weight : living[a.node] < living[b.node];
        });
        const auto has_room = [&](const candidate& each) {
            return taken[each.node] < share || (taken[each.node] == share && with_one_more > 0);
        };
        const auto best = std::find_if(candidates.begin(), candidates.end(), has_room);
        if (taken[best->node]++ == share) --with_one_more; // there is always one: the shares add up to all shards
        assigned[shard] = static_cast<std::int16_t>(best->node);
    }
    return assigned;
}

shard_set wanted_by(std::span<const std::string> living, std::string_view node) {
    shard_set wanted;
    const auto found = std::find(living.begin(), living.end(), node);
    if (found == living.end()) return wanted;
    const auto assigned = assign_shards(living);
    for (std::size_t shard = 0; shard < shard_count; ++shard) wanted[shard] = assigned[shard] == found - living.begin();
    return wanted;
}

} // namespace prooftrack::store
