#include "engine/meters.hpp"

#include <algorithm>
#include <bit>

namespace prooftrack::engine {
namespace {

constexpr seconds window{30};

double in_seconds(steady_duration duration) { return std::chrono::duration<double>(duration).count(); }

/// Four buckets for each doubling of microseconds.
std::size_t bucket_of(steady_duration delay, std::size_t buckets) {
    const auto us = static_cast<std::uint64_t>(
        std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::microseconds>(delay).count()));
    if (us < 4) return static_cast<std::size_t>(us);
    const auto doubling = static_cast<std::size_t>(std::bit_width(us)) - 1;
    const std::size_t quarter = (us >> (doubling - 2)) & 3U;
    return std::min(buckets - 1, (doubling - 1) * 4 + quarter);
}

steady_duration upper_edge(std::size_t bucket) {
    if (bucket < 4) return std::chrono::microseconds(bucket + 1);
    const std::size_t doubling = bucket / 4 + 1;
    const std::uint64_t quarter = bucket % 4;
    return std::chrono::microseconds((quarter + 5) << (doubling - 2));
}

} // namespace

void recent_delays::add(steady_duration delay, steady_time now) {
    if (now - window_start_ >= window) {
        previous_ = now - window_start_ >= 2 * window ? std::array<std::uint32_t, buckets>{} : current_;
        current_ = {};
        window_start_ = now;
    }
    ++current_[bucket_of(delay, buckets)];
}

steady_duration recent_delays::p99() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < buckets; ++i) total += current_[i] + previous_[i];
    if (total == 0) return steady_duration(0);
    std::uint64_t above = 0;
    for (std::size_t i = buckets; i-- > 0;) {
        above += current_[i] + previous_[i];
        if (above * 100 > total) return upper_edge(i);
    }
    return upper_edge(0);
}

meters::meters(observe::metrics& registry) : registry_(registry) {
    for (std::size_t i = 0; i < reply_classes; ++i)
        polls_[i] = &registry_.polls(to_string(static_cast<track::reply_class>(i)));
    registry_.proof_up().Set(1);
    registry_.config_last_reload_successful().Set(1);
}

void meters::on_poll_started(steady_duration lateness, steady_time now) {
    registry_.poll_lag().Observe(in_seconds(lateness));
    lag_.add(lateness, now);
}

void meters::on_poll_answered(track::reply_class what, steady_duration took, wall_time now) {
    polls_.at(static_cast<std::size_t>(what))->Increment();
    registry_.poll_duration().Observe(in_seconds(took));
    if (what != track::reply_class::good && what != track::reply_class::unchanged) return;
    registry_.set_last_good_reply(static_cast<double>(now.time_since_epoch().count()) / 1'000.0);
}

void meters::on_detected(milliseconds after) { registry_.detection().Observe(in_seconds(after)); }
void meters::on_transition(track::tracking_state from, track::tracking_state to) {
    registry_.transitions(to_string(from), to_string(to)).Increment();
}
void meters::on_unknown_status() { registry_.unknown_status_words().Increment(); }
void meters::on_delivery(std::string_view callback, std::string_view result) {
    registry_.deliveries(callback, result).Increment();
}
void meters::on_commit(steady_duration took) { registry_.commit().Observe(in_seconds(took)); }
void meters::on_loop_lag(steady_duration lag) { registry_.loop_lag().Observe(in_seconds(lag)); }
void meters::on_handshake(bool resumed) { registry_.tls_handshakes(resumed).Increment(); }

void meters::set_proof_up(bool is_up) { registry_.proof_up().Set(is_up ? 1 : 0); }
void meters::set_connections(std::string_view protocol, std::size_t idle, std::size_t busy) {
    registry_.connections("idle", protocol).Set(static_cast<double>(idle));
    registry_.connections("busy", protocol).Set(static_cast<double>(busy));
}
void meters::set_oldest_due(steady_duration age) { registry_.oldest_due().Set(in_seconds(age)); }
void meters::set_clock_skew(milliseconds skew) { registry_.clock_skew().Set(in_seconds(skew)); }
void meters::set_store_bytes(std::uint64_t db, std::uint64_t wal, std::uint64_t free) {
    registry_.store_bytes("db").Set(static_cast<double>(db));
    registry_.store_bytes("wal").Set(static_cast<double>(wal));
    registry_.store_bytes("free").Set(static_cast<double>(free));
}

void meters::begin_transactions() { unset_transactions_ = shown_transactions_; }
void meters::set_transactions(std::string_view state, std::string_view status, std::uint64_t count) {
    const std::pair<std::string, std::string> key(state, status);
    shown_transactions_.insert(key);
    unset_transactions_.erase(key);
    registry_.transactions(state, status).Set(static_cast<double>(count));
}
void meters::end_transactions() {
    for (const auto& [state, status] : unset_transactions_) registry_.transactions(state, status).Set(0);
    unset_transactions_.clear();
}

void meters::set_callback(std::string_view name, std::uint64_t backlog, std::uint64_t dead, seconds oldest) {
    registry_.add_callback(name);
    registry_.delivery_backlog(name).Set(static_cast<double>(backlog));
    registry_.deliveries_dead(name).Set(static_cast<double>(dead));
    registry_.oldest_undelivered(name).Set(static_cast<double>(oldest.count()));
}

void meters::set_paused(std::string_view callback, bool is_paused) {
    registry_.callback_paused(callback).Set(is_paused ? 1 : 0);
}

void meters::set_replays(std::size_t running) { registry_.replays_running().Set(static_cast<double>(running)); }
void meters::on_replayed(std::string_view callback, std::uint64_t events) {
    registry_.replay_events(callback).Increment(static_cast<double>(events));
}
seconds age_of(const track::consumer_view& consumer, wall_time now) {
    if (!consumer.oldest_pending) return seconds(0);
    return std::max(seconds(0), std::chrono::floor<seconds>(now - *consumer.oldest_pending));
}

void meters::set_consumers(const std::vector<track::consumer_view>& consumers, wall_time now) {
    std::set<std::string> gone = std::move(shown_consumers_);
    shown_consumers_.clear();
    for (const track::consumer_view& consumer : consumers) {
        gone.erase(consumer.name);
        shown_consumers_.insert(consumer.name);
        registry_.consumer_lag(consumer.name).Set(static_cast<double>(consumer.lag));
        registry_.consumer_age(consumer.name).Set(static_cast<double>(age_of(consumer, now).count()));
    }
    for (const std::string& name : gone) registry_.remove_consumer(name);
}

void meters::set_cluster(const cluster_numbers& numbers) {
    registry_.cluster_takeovers(); // a rate needs its zero
    registry_.cluster_shards().Set(static_cast<double>(numbers.shards));
    registry_.cluster_unowned_shards().Set(static_cast<double>(numbers.unowned_shards));
    registry_.cluster_nodes("living").Set(static_cast<double>(numbers.living));
    registry_.cluster_nodes("leaving").Set(static_cast<double>(numbers.leaving));
    registry_.cluster_nodes("gone").Set(static_cast<double>(numbers.gone));
    registry_.lease_remaining().Set(in_seconds(numbers.lease));
}

void meters::set_reload_successful(bool is_successful) {
    registry_.config_last_reload_successful().Set(is_successful ? 1 : 0);
}

} // namespace prooftrack::engine
