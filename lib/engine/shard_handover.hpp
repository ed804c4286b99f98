#pragma once

// Hands shards over to other nodes, as track::shards_to_go says.

#include <functional>
#include <optional>
#include <utility>

#include "engine/cluster_context.hpp"
#include "track/shard_pace.hpp"

namespace prooftrack::engine {

/// Nothing of a shard that goes begins any more, what is in flight ends, then it is free.
class shard_handover {
  public:
    /// `let_go` takes a slice away from all that works with it; `keeps_facts`: what memory alone knows of it is saved.
    shard_handover(const cluster_context& around, std::function<void(const shard_set& slice, bool keeps_facts)> let_go)
        : around_(around), let_go_(std::move(let_go)) {}

    /// These are to go, in place of those that were and have not begun to.
    void hand_over(const shard_set& shards);
    /// At a stop: all of these, by `deadline` whatever is in flight.
    void hand_over_all(const shard_set& shards, steady_time deadline);
    /// They are somebody else's already.
    void forget(const shard_set& shards) { going_.forget(shards); }
    bool is_idle() const { return going_.is_empty(); }

    std::optional<steady_time> next_wake() const { return going_.next_look(); }
    void on_wake(instant now);

  private:
    void look(steady_time now);

    const cluster_context& around_;
    std::function<void(const shard_set&, bool)> let_go_;
    track::shards_to_go going_;
};

} // namespace prooftrack::engine
