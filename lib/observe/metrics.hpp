#pragma once

// Every metric of the daemon by name. No label holds an id or a URL: words outside the known vocabulary count as
// `other`.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

namespace prooftrack::observe {

enum class metric_kind : std::uint8_t { counter, gauge, histogram };

/// One metric as Prometheus sees it; dashboards, alert rules and documents are held against this table.
struct metric_info {
    std::string_view name;
    metric_kind kind;
    std::string_view labels; ///< names, separated by spaces
    std::string_view help;
};
std::span<const metric_info> metric_table();

/// Most callbacks and consumers that get a series of their own; all beyond count as `other`.
inline constexpr std::size_t max_labelled_names = 300;

/// The registry. What is given out by reference lives as long as this; hot paths resolve their counters once and keep
/// them. Cheap to change from the loop; `serialize` is for the same thread.
class metrics {
  public:
    explicit metrics(std::string_view version);
    ~metrics();
    metrics(const metrics&) = delete;
    metrics& operator=(const metrics&) = delete;

    using counter = prometheus::Counter;
    using gauge = prometheus::Gauge;
    using histogram = prometheus::Histogram;

    counter& polls(std::string_view result);               ///< a reply class: good, unchanged, not_found, …
    histogram& poll_duration() { return *poll_duration_; } ///< seconds from the first byte written to the answer
    histogram& poll_lag() { return *poll_lag_; }           ///< seconds a poll starts after it was due
    gauge& oldest_due() { return *oldest_due_; }           ///< seconds
    /// Unix seconds. Until the first call the start of the process is served in its place: an age that is taken from 0
    /// would be that of the epoch.
    void set_last_good_reply(double at);
    gauge& transactions(std::string_view state, std::string_view status); ///< status "" = none yet
    counter& transitions(std::string_view from, std::string_view to);     ///< states or status words
    histogram& detection() { return *detection_; } ///< seconds from Proof's updated_at to our commit
    counter& unknown_status_words() { return *unknown_status_words_; }

    counter& deliveries(std::string_view callback, std::string_view result); ///< result: delivered, failed, dead
    /// Every series of a callback is there from then on, counters at 0.
    void add_callback(std::string_view callback);
    gauge& delivery_backlog(std::string_view callback);
    gauge& deliveries_dead(std::string_view callback);
    gauge& oldest_undelivered(std::string_view callback); ///< seconds, 0 = none
    gauge& callback_paused(std::string_view callback);
    gauge& replays_running();
    counter& replay_events(std::string_view callback);
    gauge& consumer_lag(std::string_view consumer); ///< events
    gauge& consumer_age(std::string_view consumer); ///< seconds
    /// Takes a removed callback's (or consumer's) gauges away; references to them are void from then on.
    void remove_callback(std::string_view callback);
    void remove_consumer(std::string_view consumer);

    histogram& commit() { return *commit_; }   ///< seconds
    gauge& store_bytes(std::string_view kind); ///< db, wal, free

    histogram& loop_lag() { return *loop_lag_; }                           ///< seconds a timer of the loop fires late
    gauge& proof_up() { return *proof_up_; }                               ///< 1 = ok or throttled
    gauge& connections(std::string_view state, std::string_view protocol); ///< idle, busy; http/1.1, h2
    counter& tls_handshakes(bool resumed);
    gauge& clock_skew() { return *clock_skew_; } ///< seconds, Proof's clock ahead = positive
    gauge& config_last_reload_successful() { return *config_last_reload_successful_; }
    gauge& maintenance(); ///< 1 = on
    // Of one of several daemons alone: without a call there is no such series.
    gauge& cluster_shards();
    gauge& cluster_nodes(std::string_view state); ///< living, leaving, gone
    gauge& cluster_unowned_shards();
    counter& cluster_takeovers();
    gauge& lease_remaining(); ///< seconds
    /// Takes the total of `service_log::dropped()`; it only grows.
    void set_log_dropped(std::uint64_t total);

    /// The Prometheus text format, with the process's own numbers (memory, CPU, descriptors, start).
    std::string serialize();

  private:
    gauge& open_connections(const char* state, const char* protocol);

    struct registry;
    std::unique_ptr<registry> registry_;
    histogram* poll_duration_;
    histogram* poll_lag_;
    gauge* oldest_due_;
    gauge* last_good_reply_;
    histogram* detection_;
    counter* unknown_status_words_;
    histogram* commit_;
    histogram* loop_lag_;
    gauge* proof_up_;
    gauge* clock_skew_;
    gauge* config_last_reload_successful_;
    std::array<gauge*, 4> connections_; ///< kept, like all above, because they change with every poll
    std::uint64_t log_dropped_ = 0;
    bool has_good_reply_ = false;
};

} // namespace prooftrack::observe
