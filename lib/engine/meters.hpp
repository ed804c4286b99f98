#pragma once

// What the engine counts, with the hot counters resolved once.

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "observe/metrics.hpp"
#include "track/types.hpp"

namespace prooftrack::engine {

/// The recent distribution of a delay: two windows of 30 s, buckets a quarter apart. For people; Prometheus has its
/// own.
class recent_delays {
  public:
    void add(steady_duration delay, steady_time now);
    /// The upper edge of the bucket in which the 99th percentile lies; 0 without samples.
    steady_duration p99() const;

  private:
    static constexpr std::size_t buckets = 160; ///< up to 25 days
    std::array<std::uint32_t, buckets> current_{};
    std::array<std::uint32_t, buckets> previous_{};
    steady_time window_start_{};
};

/// How long the oldest unacknowledged event of a consumer has waited; 0 without one.
seconds age_of(const track::consumer_view& consumer, wall_time now);

/// What a node of a cluster shows.
struct cluster_numbers {
    std::size_t shards = 0; ///< that this node holds
    std::size_t living = 0; ///< nodes, as the two below
    std::size_t leaving = 0;
    std::size_t gone = 0;
    std::size_t unowned_shards = 0;
    steady_duration lease{0}; ///< what remains of it
};

/// Joins the engine to the registry. `registry` must outlive it.
class meters {
  public:
    explicit meters(observe::metrics& registry);

    void on_poll_started(steady_duration lateness, steady_time now);
    void on_poll_answered(track::reply_class what, steady_duration took, wall_time now);
    void on_detected(milliseconds after);
    void on_transition(track::tracking_state from, track::tracking_state to);
    void on_unknown_status();
    void on_delivery(std::string_view callback, std::string_view result);
    void on_commit(steady_duration took);
    void on_loop_lag(steady_duration lag);
    void on_handshake(bool resumed);

    void set_proof_up(bool is_up);
    void set_connections(std::string_view protocol, std::size_t idle, std::size_t busy);
    void set_oldest_due(steady_duration age);
    void set_clock_skew(milliseconds skew);
    void set_store_bytes(std::uint64_t db, std::uint64_t wal, std::uint64_t free);
    void set_transactions(std::string_view state, std::string_view status, std::uint64_t count);
    /// Those that were set before and are not set again until `end_transactions` fall to 0.
    void begin_transactions();
    void end_transactions();
    void set_callback(std::string_view name, std::uint64_t backlog, std::uint64_t dead, seconds oldest);
    void set_paused(std::string_view callback, bool is_paused);
    void set_replays(std::size_t running);
    void on_replayed(std::string_view callback, std::uint64_t events);
    void set_consumers(const std::vector<track::consumer_view>& consumers, wall_time now);
    void set_log_dropped(std::uint64_t total) { registry_.set_log_dropped(total); }
    void set_reload_successful(bool is_successful);
    void set_cluster(const cluster_numbers& numbers);
    void on_takeover() { registry_.cluster_takeovers().Increment(); }
    void set_maintenance(bool is_on) { registry_.maintenance().Set(is_on ? 1 : 0); }

    steady_duration poll_lag_p99() const { return lag_.p99(); }
    std::string serialize() { return registry_.serialize(); }

  private:
    static constexpr std::size_t reply_classes = 10;
    observe::metrics& registry_;
    std::array<observe::metrics::counter*, reply_classes> polls_{};
    recent_delays lag_;
    std::set<std::pair<std::string, std::string>> shown_transactions_;
    std::set<std::pair<std::string, std::string>> unset_transactions_;
    std::set<std::string> shown_consumers_;
};

} // namespace prooftrack::engine
