#include "engine/housekeeping.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "engine/full_status.hpp"
#include "observe/process_numbers.hpp"

namespace prooftrack::engine {
namespace {

constexpr seconds busy_tick{1};
constexpr seconds idle_tick{10};
constexpr seconds between_beats{60};
constexpr seconds between_prunes{60};
constexpr milliseconds between_batches{50};
constexpr seconds between_probes{2};
constexpr seconds between_measures{15};
constexpr std::size_t still = 1'000;
constexpr std::size_t worth_returning = 50'000;

} // namespace

void housekeeping::start(instant now, const config::store_config& retention) {
    retention_ = retention;
    clocks_.look(now, around_.clock.since_boot());
    next_tick_ = now.steady + busy_tick;
    next_beat_ = now.steady + between_beats;
    next_prune_ = now.steady + between_prunes;
}

bool housekeeping::look_at_clocks(instant now) {
    const auto stepped = clocks_.look(now, around_.clock.since_boot());
    if (!stepped) return false;
    const bool has_slept = stepped->slept != milliseconds(0);
    around_.log.write(
        observe::log_event_id::daemon_clock_jump,
        {{"jump_ms", (has_slept ? stepped->slept : stepped->set_by).count()},
         {"kind", has_slept ? "the machine slept" : "the wall clock was set"}});
    return true;
}

bool housekeeping::on_wake(instant now) {
    if (!next_tick_ || now.steady < *next_tick_) return false;
    next_tick_ = now.steady + (around_.polls.core().size() > 0 ? busy_tick : idle_tick);
    const bool has_jumped = look_at_clocks(now);
    if (now.steady >= next_beat_) {
        next_beat_ = now.steady + between_beats;
        prooftrack::start(beat());
    }
    if (store_state_ == track::store_state::full && !is_probing_ && now.steady >= next_probe_) {
        next_probe_ = now.steady + between_probes;
        next_tick_ = std::min(*next_tick_, next_probe_);
        prooftrack::start(probe());
    }
    if (!is_measuring_ && now.steady >= next_measure_) {
        next_measure_ = now.steady + between_measures;
        prooftrack::start(measure_space());
    }
    if (!is_pruning_ && now.steady >= next_prune_ && retention_.retention > milliseconds(0) &&
        around_.polls.holds(0)) { // of several daemons one prunes
        if (auto request = prunable(around_.clock.now())) prooftrack::start(prune(*request));
    }
    return_memory();
    return has_jumped;
}

/// A start or an import leaves a third of its peak in free blocks (measured: 194 bytes a transaction with a million of
/// them, 150 after).
void housekeeping::return_memory() {
    const std::size_t size = around_.polls.core().size();
    const auto differs = [size](std::size_t other) { return size > other ? size - other : other - size; };
    const bool is_over = differs(last_size_) < still;
    last_size_ = size;
    if (!is_over || differs(returned_size_) < worth_returning) return;
    returned_size_ = size;
    observe::release_free_memory();
}

void housekeeping::on_store_state(track::store_state state) {
    store_state_ = state;
    if (state == track::store_state::full) wake_by(around_.clock.now().steady + between_probes);
}

/// Nobody looks at `next_wake` again by himself before the tick that was planned.
void housekeeping::wake_by(steady_time when) {
    if (!next_tick_ || *next_tick_ <= when) return;
    next_tick_ = when;
    wake_changed_();
}

/// A clock that nothing vouches for must delete nothing.
std::optional<store::prune_request> housekeeping::prunable(instant now) {
    const auto by = around_.polls.follow_clock().time_to_prune_by(now);
    if (!by) {
        next_prune_ = now.steady + between_prunes;
        return std::nullopt;
    }
    store::prune_request request;
    request.ended_before = *by - retention_.retention;
    request.consumed_before = request.ended_before - retention_.consumer_retention;
    return request;
}

task<> housekeeping::prune(store::prune_request request) {
    is_pruning_ = true;
    const auto pruned = co_await call(around_.storage, &store::store::prune, request);
    is_pruning_ = false;
    const instant then = around_.clock.now();
    if (!pruned) {
        next_prune_ = then.steady + between_prunes;
        co_return;
    }
    for (const std::string& name : pruned->overtaken_consumers) {
        around_.log.write(observe::log_event_id::consumer_overtaken, {{"consumer", name}});
    }
    next_prune_ = then.steady + (pruned->more ? steady_duration(between_batches) : steady_duration(between_prunes));
    if (pruned->transactions + pruned->events > 0) {
        around_.log.write(
            observe::log_event_id::store_pruned, {{"transactions", pruned->transactions}, {"events", pruned->events}});
        prooftrack::start(show_pruned());
    }
    wake_by(next_prune_);
}

/// Readers find the first event that is kept.
task<> housekeeping::show_pruned() {
    const auto status = co_await call(around_.storage, &store::store::status);
    if (status) around_.feed.on_pruned(status->first_seq);
}

task<> housekeeping::probe() {
    is_probing_ = true;
    co_await call(around_.storage, &store::store::probe); // the outcome comes through `on_store_state`
    is_probing_ = false;
}

task<> housekeeping::measure_space() {
    is_measuring_ = true;
    const auto status = co_await call(around_.storage, &store::store::status);
    is_measuring_ = false;
    if (status) look_at_space(*status);
}

void housekeeping::look_at_space(const store::store_status& status) {
    const auto change = space_.look(status.free_bytes, status.capacity_bytes);
    if (change == track::space_watch::change::none) return;
    std::vector<observe::log_field> fields{
        {"free_bytes", status.free_bytes},
        {"limit_bytes", track::space_watch::limit(status.capacity_bytes)},
        {"capacity_bytes", status.capacity_bytes}};
    if (change == track::space_watch::change::nearly_full)
        fields.emplace_back("advice", "make room on the disk of store.path: when it is full, new ids are refused");
    around_.log.write(
        change == track::space_watch::change::nearly_full ? observe::log_event_id::store_nearly_full
                                                          : observe::log_event_id::store_has_space,
        std::span<const observe::log_field>(fields));
}

task<> housekeeping::beat() {
    const auto status = co_await read_full_status(around_.storage);
    if (status) say_alive(status->stored, status->consumers);
}

void housekeeping::say_alive(const store::store_status& status, const std::vector<track::consumer_view>& consumers) {
    const instant now = around_.clock.now();
    publish(status, consumers, now);
    around_.deliveries.remind(status);
    const track::tracker& core = around_.polls.core();
    std::uint64_t backlog = 0;
    std::uint64_t dead = 0;
    std::uint64_t lag = 0;
    seconds oldest_undelivered{0};
    seconds consumer_age{0};
    for (const auto& [lane, summary] : status.lanes) {
        backlog += summary.pending;
        dead += summary.dead;
        if (!summary.oldest_pending) continue;
        oldest_undelivered =
            std::max(oldest_undelivered, std::chrono::floor<seconds>(now.wall - *summary.oldest_pending));
    }
    for (const track::consumer_view& consumer : consumers) {
        lag = std::max(lag, consumer.lag);
        consumer_age = std::max(consumer_age, age_of(consumer, now.wall));
    }
    const auto oldest_due = std::chrono::duration_cast<milliseconds>(core.oldest_due(now));
    const auto due_lag = std::chrono::duration_cast<milliseconds>(around_.counts.poll_lag_p99());
    around_.log.write(
        observe::log_event_id::daemon_heartbeat, {{"pending", core.open()},
                                                  {"due_lag_ms", due_lag.count()},
                                                  {"oldest_due_ms", oldest_due.count()},
                                                  {"polls_per_second", core.made_rate()},
                                                  {"backlog", backlog},
                                                  {"oldest_undelivered_seconds", oldest_undelivered.count()},
                                                  {"dead", dead},
                                                  {"proof", to_string(core.health().kind())},
                                                  {"store", to_string(store_state_)},
                                                  {"consumers", consumers.size()},
                                                  {"consumer_lag", lag},
                                                  {"consumer_age_seconds", consumer_age.count()},
                                                  {"db_bytes", status.db_bytes},
                                                  {"wal_bytes", status.wal_bytes},
                                                  {"free_bytes", status.free_bytes},
                                                  {"maintenance", status.maintenance ? "on" : "off"}});
}

void housekeeping::publish(
    const store::store_status& status, const std::vector<track::consumer_view>& consumers, instant now) {
    around_.counts.set_consumers(consumers, now.wall);
    around_.counts.set_maintenance(status.maintenance.has_value());
    const track::tracker& core = around_.polls.core();
    around_.counts.set_oldest_due(core.oldest_due(now));
    around_.counts.set_clock_skew(core.skew());
    around_.counts.set_store_bytes(status.db_bytes, status.wal_bytes, status.free_bytes);
    around_.counts.begin_transactions();
    for (const auto& [key, count] : status.transactions) {
        around_.counts.set_transactions(to_string(key.first), to_string(key.second), count);
    }
    around_.counts.end_transactions();
    around_.deliveries.report(status, now.wall);
}

} // namespace prooftrack::engine
