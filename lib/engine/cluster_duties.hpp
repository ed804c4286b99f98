#pragma once

// This daemon as one of several on a database: takes up the shards that are its own, hands over those that are others',
// stops when its lease has run out, follows what others commit. Without a cluster it does nothing.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_function.hpp"
#include "engine/cluster_context.hpp"
#include "engine/news_reader.hpp"
#include "engine/shard_handover.hpp"
#include "engine/shard_intake.hpp"

namespace prooftrack::engine {

class cluster_duties final : public store::cluster_observer {
  public:
    explicit cluster_duties(cluster_context around)
        : around_(std::move(around)), news_(around_),
          intake_(around_, [this](const gained_shards& g, std::uint64_t count) { on_taken_up(g, count); }),
          handover_(around_, [this](const shard_set& slice, bool keeps_facts) { let_go(slice, keeps_facts); }) {}
    cluster_duties(const cluster_duties&) = delete;
    cluster_duties& operator=(const cluster_duties&) = delete;

    bool is_clustered() const { return around_.cluster != nullptr; }
    /// The owner of a shard, as the last view says; "" = nobody, or no cluster.
    std::string_view owner_of(std::uint8_t shard) const { return view_ ? view_->owner_of(shard) : std::string_view(); }
    /// The last one; nullopt before the first one, and without a cluster.
    const std::optional<store::cluster_view>& view() const { return view_; }
    /// Why nothing may be polled or delivered now; "" = it may.
    std::string why_idle() const;
    /// Brings the metrics up to date.
    void report() const;

    /// Joins. Called once, when the drivers have begun. `ready` runs once: when the first shards are loaded, as all are
    /// before a daemon that is alone is ready, or after 10 s. Without a cluster at once.
    void start(unique_function<void()> ready);
    /// Hands over everything: each shard when nothing of it is in flight, all of them after `within`. Then `done` runs
    /// once; without a cluster at once.
    void stop(milliseconds within, unique_function<void()> done);

    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);

    void on_lease(steady_duration until) override;
    void on_gained(const shard_set& shards, store::shard_gain how, milliseconds silent) override;
    void on_view(const store::cluster_view& view) override;
    void on_news() override;
    void on_fenced(const std::string& why) override;

  private:
    void take(gained_shards gained);
    void on_taken_up(const gained_shards& gained, std::uint64_t count);
    void let_go(const shard_set& shards, bool keeps_facts);
    void drop(const shard_set& shards);
    std::string former_owners(const shard_set& shards) const;
    void note_nodes(const store::cluster_view& view);
    void finish_start();
    void finish_stop();

    cluster_context around_;
    news_reader news_;
    shard_intake intake_;
    shard_handover handover_;
    shard_set held_;                   ///< taken up, or being taken up
    std::vector<gained_shards> early_; ///< gained before the end of the news was known
    std::optional<store::cluster_view> view_;
    std::map<std::string, store::node_state> seen_; ///< nodes of the last view
    std::optional<steady_duration> lease_until_;    ///< since boot
    bool has_joined_ = false;
    bool is_fenced_ = false;
    bool has_missed_news_ = false; ///< it was fenced, and has not gained anything since
    bool is_stopping_ = false;
    unique_function<void()> ready_;
    steady_time ready_by_{};
    unique_function<void()> stopped_;
};

} // namespace prooftrack::engine
