#pragma once

// What the engine does with shards, and with what other nodes committed. cluster_duties says when.

#include <cstddef>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "base/shards.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "track/types.hpp"

namespace prooftrack::engine {

class shard_work {
  public:
    virtual ~shard_work() = default;

    /// Transactions of these shards that are added from now on are watched here.
    virtual void hold(const shard_set& shards) = 0;
    /// Stored ones of held shards; their first polls come within that time.
    virtual void load(std::vector<track::active_transaction> rows, milliseconds within) = 0;
    /// All transactions of these shards are loaded: their deliveries and replays go on as well.
    virtual void on_loaded(const shard_set& shards) = 0;
    /// Nothing of these shards begins any more; what is in flight ends and is recorded. With `keeps_facts` what memory
    /// alone knows of them is saved, else it is forgotten.
    virtual void let_go(const shard_set& shards, bool keeps_facts) = 0;
    /// How many transactions of these are watched here.
    virtual std::size_t count_in(const shard_set& shards) const = 0;
    /// Whether anything of shards that were let go is still in flight or being recorded.
    virtual bool is_busy(const shard_set& shards) const = 0;
    /// Whether anything that was let go is being saved, of whichever shards.
    virtual bool is_saving() const = 0;
    /// Nothing is polled and nothing delivered from then on, as clock_source::since_boot counts.
    virtual void trust_until(steady_duration until) = 0;
    /// The limits hold for all: each of so many nodes has its part of them.
    virtual void share_among(std::size_t nodes) = 0;

    // What others committed.
    virtual void refresh(track::active_transaction row) = 0;
    virtual void poll_soon(const transaction_id& id) = 0;
    virtual void reread_lanes(const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried) = 0;
    /// `failed` runs when they could not be read.
    virtual void reread_controls(unique_function<void()> failed) = 0;
    virtual void reread_replays() = 0;
    /// Nothing is polled for so long: Proof throttles another node.
    virtual void pause_polls(milliseconds pause) = 0;
    virtual void catch_up(event_seq last_seq, event_seq first_seq) = 0;
};

} // namespace prooftrack::engine
