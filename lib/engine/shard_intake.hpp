#pragma once

// Takes up the shards that this node has gained: loads their transactions, and tries again when the store is away.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/lifetime.hpp"
#include "engine/cluster_context.hpp"

namespace prooftrack::engine {

/// Shards that came to this node at once.
struct gained_shards {
    shard_set shards;
    store::shard_gain how = store::shard_gain::unowned;
    milliseconds silent{0}; ///< their former owner has not been heard of for so long
    std::string former;     ///< owners, "" = not known
    steady_time since{};
};

class shard_intake {
  public:
    /// `done` runs when all of a gain, or what was not let go of it meanwhile, is loaded; with the number of
    /// transactions.
    shard_intake(const cluster_context& around, std::function<void(const gained_shards&, std::uint64_t)> done)
        : around_(around), done_(std::move(done)) {}

    void take(gained_shards gained);
    /// What is still on its way of these shards is not wanted any more.
    void drop(const shard_set& shards);

    bool is_idle() const { return intakes_.empty(); }
    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);

  private:
    struct intake {
        gained_shards gained;
        shard_set left;  ///< of these: not loaded yet
        shard_set asked; ///< of those
        std::uint64_t count = 0;
        std::optional<steady_time> again_at; ///< nullopt = the store is loading it
    };

    void begin(std::uint64_t number, intake& one);
    void on_chunk(std::uint64_t number, std::vector<track::active_transaction> rows);
    void on_taken_up(std::uint64_t number, const op_result<std::uint64_t>& count);
    milliseconds spread_of(const gained_shards& gained) const;

    const cluster_context& around_;
    std::function<void(const gained_shards&, std::uint64_t)> done_;
    std::map<std::uint64_t, intake> intakes_; ///< by a number that is not used again
    std::uint64_t last_ = 0;
    lifetime alive_;
};

} // namespace prooftrack::engine
