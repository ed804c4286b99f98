#include "engine/replay_runner.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "base/shards.hpp"

namespace prooftrack::engine {

void replay_runner::start() {
    if (!is_stopped_) prooftrack::start(load());
}

void replay_runner::stop() {
    is_stopped_ = true;
    load_due_.reset();
    runs_.clear();
}

bool replay_runner::is_held(replay_id id) const {
    return !around_.holds || around_.holds(shard_of_row(static_cast<std::int64_t>(value_of(id))));
}

void replay_runner::add(const track::replay_view& begun) {
    if (is_held(begun.id) && !runs_.contains(begun.id)) hold(begun, false);
}

void replay_runner::end(const store::replay_end& cancelled) {
    around_.deliveries.on_made(cancelled.heads);
    runs_.erase(cancelled.replay.id);
    around_.counts.set_replays(runs_.size());
    around_.log.write(
        observe::log_event_id::replay_cancelled, {{"replay", value_of(cancelled.replay.id)},
                                                  {"callback", cancelled.replay.query.callback},
                                                  {"events", cancelled.replay.events},
                                                  {"made", cancelled.replay.made},
                                                  {"delivered", cancelled.replay.delivered},
                                                  {"dropped", cancelled.dropped}});
}

std::optional<steady_time> replay_runner::next_wake() const {
    std::optional<steady_time> next = load_due_;
    for (const auto& [id, one] : runs_) {
        if (one.due && (!next || *one.due < *next)) next = one.due;
    }
    return next;
}

void replay_runner::on_wake(instant now) {
    if (load_due_ && *load_due_ <= now.steady) {
        load_due_.reset();
        start();
    }
    std::vector<replay_id> due;
    for (auto& [id, one] : runs_) {
        if (!one.due || *one.due > now.steady) continue;
        one.due.reset();
        due.push_back(id);
    }
    for (const replay_id id : due) prooftrack::start(step(id));
}

task<> replay_runner::load() {
    const auto stored = co_await call(around_.storage, &store::store::replays);
    if (is_stopped_) co_return;
    if (!stored) {
        load_due_ = around_.clock.now().steady + track::after_refusal;
        wake_changed_();
        co_return;
    }
    std::set<replay_id> ours;
    for (const track::replay_view& replay : *stored) {
        if (replay.ended_at || !is_held(replay.id)) continue;
        ours.insert(replay.id);
        if (!runs_.contains(replay.id)) hold(replay, true);
    }
    std::erase_if(runs_, [&](const auto& one) { return !ours.contains(one.first); });
    around_.counts.set_replays(runs_.size());
}

task<> replay_runner::step(replay_id id) {
    store::replay_step next;
    next.id = id;
    next.most_made = track::most_made_in_step;
    next.most_pending = track::most_pending_of_replay;
    next.now = around_.clock.now().wall;
    const auto made = co_await call(around_.storage, &store::store::advance_replay, next);
    if (made) {
        on_stepped(*made);
    } else if (made.error().code == store::store_error::not_found) {
        runs_.erase(id);
        around_.counts.set_replays(runs_.size());
    } else {
        plan(id, track::after_refusal);
    }
}

void replay_runner::hold(const track::replay_view& replay, bool is_resumed) {
    if (is_stopped_) return;
    runs_[replay.id];
    around_.counts.set_replays(runs_.size());
    around_.log.write(
        observe::log_event_id::replay_started, {{"replay", value_of(replay.id)},
                                                {"callback", replay.query.callback},
                                                {"events", replay.events},
                                                {"made", replay.made},
                                                {"resumed", is_resumed}});
    plan(replay.id, milliseconds(0));
}

void replay_runner::on_stepped(const store::replay_progress& progress) {
    const track::replay_view& replay = progress.replay;
    if (progress.made > 0) around_.counts.on_replayed(replay.query.callback, progress.made);
    if (!progress.heads.empty()) around_.deliveries.on_made(progress.heads);
    const auto known = runs_.find(replay.id);
    if (known == runs_.end()) return; // cancelled or stopped meanwhile
    if (replay.state == track::replay_state::running) {
        plan(replay.id, known->second.pace.after(replay));
    } else {
        forget(replay);
    }
}

void replay_runner::plan(replay_id id, milliseconds wait) {
    const auto known = runs_.find(id);
    if (known == runs_.end()) return;
    known->second.due = around_.clock.now().steady + wait;
    wake_changed_();
}

/// Its end is in the store already.
void replay_runner::forget(const track::replay_view& replay) {
    runs_.erase(replay.id);
    around_.counts.set_replays(runs_.size());
    if (replay.state != track::replay_state::done) return;
    const milliseconds took = replay.ended_at.value_or(replay.created_at) - replay.created_at;
    around_.log.write(
        observe::log_event_id::replay_done, {{"replay", value_of(replay.id)},
                                             {"callback", replay.query.callback},
                                             {"events", replay.events},
                                             {"made", replay.made},
                                             {"delivered", replay.delivered},
                                             {"took_ms", took.count()}});
}

} // namespace prooftrack::engine
