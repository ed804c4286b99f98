#pragma once

// Hands shards over to other nodes: nothing of them begins any more, what is in flight ends, then they are free.

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "engine/cluster_context.hpp"

namespace prooftrack::engine {

/// At most 32 shards at a time, so that most are polled while some change hands. Those that are still in flight (a
/// receiver that hangs) keep the others of their slice waiting for a moment only, and are handed over all the same
/// after 30 s, or the longest timeout of a callback and 5 s: whatever is recorded then is bound to a revision.
class shard_handover {
  public:
    /// `let_go` takes a slice away from all that works with it.
    shard_handover(const cluster_context& around, std::function<void(const shard_set& slice)> let_go)
        : around_(around), let_go_(std::move(let_go)) {}

    /// These are to go, in place of those that were and have not begun to.
    void hand_over(const shard_set& shards);
    /// At a stop: all of these at once, by `deadline` whatever is in flight.
    void hand_over_all(const shard_set& shards, steady_time deadline);
    /// They are somebody else's already.
    void forget(const shard_set& shards);
    bool is_idle() const { return slices_.empty() && waiting_.none(); }

    std::optional<steady_time> next_wake() const { return is_idle() ? std::nullopt : look_at_; }
    void on_wake(instant now);

  private:
    struct slice {
        shard_set shards;
        steady_time give_up_at{};
        steady_time part_at{}; ///< then what is free of it goes alone
        bool is_parted = false;
    };

    void begin_slice(instant now, steady_time give_up_at, std::size_t most);
    std::size_t room() const;
    void look(instant now);
    /// What of it may go now.
    shard_set take_free(slice& one, instant now);

    const cluster_context& around_;
    std::function<void(const shard_set&)> let_go_;
    shard_set waiting_;
    std::vector<slice> slices_; ///< let go
    std::optional<steady_time> look_at_;
};

} // namespace prooftrack::engine
