#pragma once

// shard_work, done by the parts of the engine.

#include <functional>
#include <utility>

#include "base/lifetime.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/event_feed.hpp"
#include "engine/maintenance_hold.hpp"
#include "engine/poll_driver.hpp"
#include "engine/replay_runner.hpp"
#include "engine/shard_work.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class held_shards final : public shard_work {
  public:
    /// All of it must outlive it.
    struct surroundings {
        store::store& storage;
        poll_driver& polls;
        delivery_driver& deliveries;
        event_feed& feed;
        replay_runner& replays;
        maintenance_hold& maintenance;
        std::function<void(std::size_t nodes)> share_among;
    };
    explicit held_shards(surroundings around) : around_(std::move(around)) {}

    void hold(const shard_set& shards) override { around_.polls.hold(shards); }
    void load(std::vector<track::active_transaction> rows, milliseconds within) override;
    void on_loaded(const shard_set& shards) override;
    void let_go(const shard_set& shards, bool keeps_facts) override;
    std::size_t count_in(const shard_set& shards) const override;
    bool is_busy(const shard_set& shards) const override;
    bool is_saving() const override { return around_.polls.is_saving(); }
    void trust_until(steady_duration until) override;
    void share_among(std::size_t nodes) override { around_.share_among(nodes); }

    void refresh(track::active_transaction row) override { around_.polls.refresh(std::move(row)); }
    void poll_soon(const transaction_id& id) override;
    void reread_lanes(const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried) override;
    void reread_controls(unique_function<void()> failed) override;
    void reread_replays() override;
    void pause_polls(milliseconds pause) override { around_.polls.pause_as_elsewhere(pause); }
    void catch_up(event_seq last_seq, event_seq first_seq) override { around_.feed.catch_up(last_seq, first_seq); }

  private:
    surroundings around_;
    lifetime alive_;
};

} // namespace prooftrack::engine
