#include "observe/metrics.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <stdexcept>
#include <unordered_map>

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "observe/event_table.hpp"
#include "observe/process_numbers.hpp"

namespace prooftrack::observe {
namespace {

using kind = metric_kind;

constexpr std::array table{
    metric_info{"prooftrackd_polls_total", kind::counter, "result", "Polls of Proof by what came back."},
    metric_info{
        "prooftrackd_poll_duration_seconds", kind::histogram, "",
        "Time from the first byte of a poll's request to its answer."},
    metric_info{"prooftrackd_poll_lag_seconds", kind::histogram, "", "How late a poll starts after it was due."},
    metric_info{"prooftrackd_oldest_due_seconds", kind::gauge, "", "How long the longest waiting poll has been due."},
    metric_info{
        "prooftrackd_last_good_reply_timestamp_seconds", kind::gauge, "",
        "When Proof last gave a good reply, unix time; before the first one when the daemon started."},
    metric_info{
        "prooftrackd_transactions", kind::gauge, "state status", "Transactions by our state and Proof's status."},
    metric_info{"prooftrackd_transitions_total", kind::counter, "from to", "Recorded changes of state or status."},
    metric_info{"prooftrackd_detection_seconds", kind::histogram, "", "Time from Proof's updated_at to our commit."},
    metric_info{
        "prooftrackd_unknown_status_words_total", kind::counter, "",
        "Different status words of Proof that we do not know."},
    metric_info{
        "prooftrackd_deliveries_total", kind::counter, "callback result",
        "Attempts to deliver an event by how they ended."},
    metric_info{"prooftrackd_delivery_backlog", kind::gauge, "callback", "Deliveries that are owed."},
    metric_info{"prooftrackd_deliveries_dead", kind::gauge, "callback", "Deliveries that used their whole schedule."},
    metric_info{
        "prooftrackd_oldest_undelivered_seconds", kind::gauge, "callback", "Age of the oldest event that is owed."},
    metric_info{"prooftrackd_replays_running", kind::gauge, "", "Replays that are running."},
    metric_info{
        "prooftrackd_replay_events_total", kind::counter, "callback", "Events that replays owed to a callback again."},
    metric_info{
        "prooftrackd_callback_paused", kind::gauge, "callback", "1 while a user has paused the callback, else 0."},
    metric_info{
        "prooftrackd_consumer_lag_events", kind::gauge, "consumer",
        "Events that a named consumer has not acknowledged."},
    metric_info{
        "prooftrackd_consumer_age_seconds", kind::gauge, "consumer",
        "Age of the oldest event that a named consumer has not acknowledged."},
    metric_info{"prooftrackd_commit_seconds", kind::histogram, "", "Time of a commit in the store's thread."},
    metric_info{
        "prooftrackd_store_bytes", kind::gauge, "kind",
        "Bytes of the database, of its WAL, and free on its file system."},
    metric_info{"prooftrackd_loop_lag_seconds", kind::histogram, "", "How late the event loop runs a timer."},
    metric_info{"prooftrackd_proof_up", kind::gauge, "", "1 while Proof answers us."},
    metric_info{"prooftrackd_connections", kind::gauge, "state protocol", "Connections to Proof for polls."},
    metric_info{"prooftrackd_tls_handshakes_total", kind::counter, "resumed", "TLS handshakes with Proof."},
    metric_info{"prooftrackd_clock_skew_seconds", kind::gauge, "", "Proof's clock minus ours."},
    metric_info{
        "prooftrackd_config_last_reload_successful", kind::gauge, "",
        "1 when the last load of the configuration was taken over."},
    metric_info{
        "prooftrackd_log_dropped_total", kind::counter, "", "Log lines that stderr or the journal did not take."},
    metric_info{
        "prooftrackd_maintenance", kind::gauge, "", "1 while an operator's maintenance holds polls and deliveries."},
    metric_info{"prooftrackd_cluster_shards", kind::gauge, "", "Shards that this node holds, of 256."},
    metric_info{"prooftrackd_cluster_nodes", kind::gauge, "state", "Nodes of the cluster by their state."},
    metric_info{"prooftrackd_cluster_unowned_shards", kind::gauge, "", "Shards that no node owns."},
    metric_info{
        "prooftrackd_cluster_takeovers_total", kind::counter, "",
        "Times that this node took over shards of nodes that were gone."},
    metric_info{
        "prooftrackd_lease_remaining_seconds", kind::gauge, "",
        "How long this node may still poll and deliver without a heartbeat."},
    metric_info{"prooftrackd_build_info", kind::gauge, "version", "Always 1; the version that runs."},
    metric_info{"process_resident_memory_bytes", kind::gauge, "", "Resident memory."},
    metric_info{"process_cpu_seconds_total", kind::counter, "", "User and system CPU time."},
    metric_info{"process_start_time_seconds", kind::gauge, "", "When the process started, unix time."},
    metric_info{"process_open_fds", kind::gauge, "", "Open file descriptors."},
};

constexpr std::array<std::string_view, 10> poll_results{"good",         "unchanged", "not_found", "bad_request",
                                                        "unauthorized", "forbidden", "throttled", "server_error",
                                                        "unusable",     "no_reply"};
constexpr std::array<std::string_view, 7> states{"tracking", "settled",   "overdue",  "not_found",
                                                 "rejected", "abandoned", "untracked"};
constexpr std::array<std::string_view, 6> statuses{"none", "pending", "processing", "completed", "failed", "cancelled"};
constexpr std::string_view other = "other"; ///< what is in no vocabulary
constexpr std::array<std::string_view, 3> delivery_results{"delivered", "failed", "dead"};
constexpr std::array<std::string_view, 3> store_kinds{"db", "wal", "free"};
constexpr std::array<std::string_view, 3> node_states{"living", "leaving", "gone"};

std::string one_of(std::string_view word, std::span<const std::string_view> known) {
    return std::find(known.begin(), known.end(), word) == known.end() ? std::string(other) : std::string(word);
}

std::string status_word(std::string_view word) { return word.empty() ? "none" : one_of(word, statuses); }

std::string transition_word(std::string_view word) {
    const std::string status = status_word(word);
    return status == other ? one_of(word, states) : status;
}

bool is_name(std::string_view text) {
    constexpr std::size_t longest = 64;
    return !text.empty() && text.size() <= longest && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

const prometheus::Histogram::BucketBoundaries network_buckets{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};
const prometheus::Histogram::BucketBoundaries lag_buckets{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30};
const prometheus::Histogram::BucketBoundaries detection_buckets{0.1, 0.5, 1, 2.5, 5, 7.5, 10, 15, 30, 60, 300, 3600};
const prometheus::Histogram::BucketBoundaries commit_buckets{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                                             0.05,   0.1,   0.25,   0.5,   1,    5};

} // namespace

std::span<const metric_info> metric_table() { return table; }

struct metrics::registry {
    prometheus::Registry all;
    std::unordered_map<std::string_view, prometheus::Family<counter>*> counters;
    std::unordered_map<std::string_view, prometheus::Family<gauge>*> gauges;
    std::unordered_map<std::string_view, prometheus::Family<histogram>*> histograms;
    std::set<std::string, std::less<>> callbacks;
    std::set<std::string, std::less<>> consumers;

    registry() {
        for (const metric_info& info : table) {
            const std::string name(info.name);
            const std::string help(info.help);
            switch (info.kind) {
            case kind::counter:
                counters[info.name] = &prometheus::BuildCounter().Name(name).Help(help).Register(all);
                break;
            case kind::gauge:
                gauges[info.name] = &prometheus::BuildGauge().Name(name).Help(help).Register(all);
                break;
            case kind::histogram:
                histograms[info.name] = &prometheus::BuildHistogram().Name(name).Help(help).Register(all);
                break;
            }
        }
    }

    counter& count(std::string_view name, const prometheus::Labels& labels = {}) {
        return counters.at(name)->Add(labels);
    }
    gauge& set(std::string_view name, const prometheus::Labels& labels = {}) { return gauges.at(name)->Add(labels); }
    histogram& observe(std::string_view name, const prometheus::Histogram::BucketBoundaries& buckets) {
        return histograms.at(name)->Add({}, buckets);
    }

    /// The label of a name that users choose; bounded, and never anything that could be a URL.
    static std::string label_of(std::set<std::string, std::less<>>& known, std::string_view name) {
        if (known.contains(name)) return std::string(name);
        if (!is_name(name) || known.size() >= max_labelled_names) return std::string(other);
        return *known.emplace(name).first;
    }
    std::string callback(std::string_view name) { return label_of(callbacks, name); }
    std::string consumer(std::string_view name) { return label_of(consumers, name); }

    void remove(std::string_view family, const prometheus::Labels& labels) {
        auto& gauges_of_family = *gauges.at(family);
        if (gauges_of_family.Has(labels)) gauges_of_family.Remove(&gauges_of_family.Add(labels));
    }
};

metrics::metrics(std::string_view version)
    : registry_(std::make_unique<registry>()),
      poll_duration_(&registry_->observe("prooftrackd_poll_duration_seconds", network_buckets)),
      poll_lag_(&registry_->observe("prooftrackd_poll_lag_seconds", lag_buckets)),
      oldest_due_(&registry_->set("prooftrackd_oldest_due_seconds")),
      last_good_reply_(&registry_->set("prooftrackd_last_good_reply_timestamp_seconds")),
      detection_(&registry_->observe("prooftrackd_detection_seconds", detection_buckets)),
      unknown_status_words_(&registry_->count("prooftrackd_unknown_status_words_total")),
      commit_(&registry_->observe("prooftrackd_commit_seconds", commit_buckets)),
      loop_lag_(&registry_->observe("prooftrackd_loop_lag_seconds", lag_buckets)),
      proof_up_(&registry_->set("prooftrackd_proof_up")),
      clock_skew_(&registry_->set("prooftrackd_clock_skew_seconds")),
      config_last_reload_successful_(&registry_->set("prooftrackd_config_last_reload_successful")),
      connections_{
          &open_connections("idle", "http/1.1"), &open_connections("busy", "http/1.1"), &open_connections("idle", "h2"),
          &open_connections("busy", "h2")} {
    registry_->set("prooftrackd_build_info", {{"version", std::string(version)}}).Set(1);
    registry_->count("prooftrackd_log_dropped_total");
    registry_->set("prooftrackd_maintenance");
    replays_running();
    // A rate needs its zero: series of a fixed vocabulary are there from the start.
    for (const auto result : poll_results) polls(result);
    for (const auto state : states) {
        for (const auto status : statuses) transactions(state, status);
        transactions(state, other);
        for (const auto next : states) transitions(state, next);
    }
    for (const auto store_kind : store_kinds) store_bytes(store_kind);
    tls_handshakes(false);
    tls_handshakes(true);
}

metrics::~metrics() = default;

metrics::counter& metrics::polls(std::string_view result) {
    return registry_->count("prooftrackd_polls_total", {{"result", one_of(result, poll_results)}});
}

metrics::gauge& metrics::transactions(std::string_view state, std::string_view status) {
    return registry_->set(
        "prooftrackd_transactions", {{"state", one_of(state, states)}, {"status", status_word(status)}});
}

metrics::counter& metrics::transitions(std::string_view from, std::string_view to) {
    return registry_->count(
        "prooftrackd_transitions_total", {{"from", transition_word(from)}, {"to", transition_word(to)}});
}

metrics::counter& metrics::deliveries(std::string_view callback, std::string_view result) {
    return registry_->count(
        "prooftrackd_deliveries_total",
        {{"callback", registry_->callback(callback)}, {"result", one_of(result, delivery_results)}});
}

void metrics::add_callback(std::string_view callback) {
    for (const auto result : delivery_results) deliveries(callback, result);
    delivery_backlog(callback);
    deliveries_dead(callback);
    oldest_undelivered(callback);
    callback_paused(callback);
    replay_events(callback);
}

metrics::gauge& metrics::delivery_backlog(std::string_view callback) {
    return registry_->set("prooftrackd_delivery_backlog", {{"callback", registry_->callback(callback)}});
}

metrics::gauge& metrics::deliveries_dead(std::string_view callback) {
    return registry_->set("prooftrackd_deliveries_dead", {{"callback", registry_->callback(callback)}});
}

metrics::gauge& metrics::oldest_undelivered(std::string_view callback) {
    return registry_->set("prooftrackd_oldest_undelivered_seconds", {{"callback", registry_->callback(callback)}});
}

metrics::gauge& metrics::callback_paused(std::string_view callback) {
    return registry_->set("prooftrackd_callback_paused", {{"callback", registry_->callback(callback)}});
}

metrics::gauge& metrics::replays_running() { return registry_->set("prooftrackd_replays_running"); }

metrics::counter& metrics::replay_events(std::string_view callback) {
    return registry_->count("prooftrackd_replay_events_total", {{"callback", registry_->callback(callback)}});
}

metrics::gauge& metrics::consumer_lag(std::string_view consumer) {
    return registry_->set("prooftrackd_consumer_lag_events", {{"consumer", registry_->consumer(consumer)}});
}

metrics::gauge& metrics::consumer_age(std::string_view consumer) {
    return registry_->set("prooftrackd_consumer_age_seconds", {{"consumer", registry_->consumer(consumer)}});
}

void metrics::remove_callback(std::string_view callback) {
    const prometheus::Labels labels{{"callback", std::string(callback)}};
    for (const auto family :
         {"prooftrackd_delivery_backlog", "prooftrackd_deliveries_dead", "prooftrackd_oldest_undelivered_seconds",
          "prooftrackd_callback_paused"}) {
        registry_->remove(family, labels);
    }
    // Its counters stay, and so does its place among the names: a counter that vanishes breaks rates.
}

void metrics::remove_consumer(std::string_view consumer) {
    const prometheus::Labels labels{{"consumer", std::string(consumer)}};
    for (const auto family : {"prooftrackd_consumer_lag_events", "prooftrackd_consumer_age_seconds"})
        registry_->remove(family, labels);
    const auto found = registry_->consumers.find(consumer);
    if (found != registry_->consumers.end()) registry_->consumers.erase(found);
}

metrics::gauge& metrics::store_bytes(std::string_view store_kind) {
    return registry_->set("prooftrackd_store_bytes", {{"kind", one_of(store_kind, store_kinds)}});
}

metrics::gauge& metrics::open_connections(const char* state, const char* protocol) {
    return registry_->set("prooftrackd_connections", {{"state", state}, {"protocol", protocol}});
}

metrics::gauge& metrics::connections(std::string_view state, std::string_view protocol) {
    const bool is_known = (state == "idle" || state == "busy") && (protocol == "h2" || protocol == "http/1.1");
    if (!is_known) return open_connections("other", "other");
    return *connections_.at((protocol == "h2" ? 2U : 0U) + (state == "busy" ? 1U : 0U));
}

metrics::counter& metrics::tls_handshakes(bool resumed) {
    return registry_->count("prooftrackd_tls_handshakes_total", {{"resumed", resumed ? "true" : "false"}});
}

void metrics::set_last_good_reply(double at) {
    last_good_reply_->Set(at);
    has_good_reply_ = true;
}

metrics::gauge& metrics::maintenance() { return registry_->set("prooftrackd_maintenance"); }

metrics::gauge& metrics::cluster_shards() { return registry_->set("prooftrackd_cluster_shards"); }

metrics::gauge& metrics::cluster_nodes(std::string_view state) {
    return registry_->set("prooftrackd_cluster_nodes", {{"state", one_of(state, node_states)}});
}

metrics::gauge& metrics::cluster_unowned_shards() { return registry_->set("prooftrackd_cluster_unowned_shards"); }

metrics::counter& metrics::cluster_takeovers() { return registry_->count("prooftrackd_cluster_takeovers_total"); }

metrics::gauge& metrics::lease_remaining() { return registry_->set("prooftrackd_lease_remaining_seconds"); }

void metrics::set_log_dropped(std::uint64_t total) {
    if (total <= log_dropped_) return;
    registry_->count("prooftrackd_log_dropped_total").Increment(static_cast<double>(total - log_dropped_));
    log_dropped_ = total;
}

std::string metrics::serialize() {
    const process_numbers process = read_process_numbers();
    registry_->set("process_resident_memory_bytes").Set(static_cast<double>(process.resident_bytes));
    registry_->set("process_start_time_seconds").Set(process.start_time_seconds);
    if (!has_good_reply_) last_good_reply_->Set(process.start_time_seconds);
    registry_->set("process_open_fds").Set(static_cast<double>(process.open_fds));
    counter& cpu = registry_->count("process_cpu_seconds_total");
    cpu.Increment(std::max(0.0, process.cpu_seconds - cpu.Value()));
    return prometheus::TextSerializer().Serialize(registry_->all.Collect());
}

} // namespace prooftrack::observe
