#include "track/tracker.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack::track {

tracker::tracker(tracker_options options, random_source& random)
    : options_(std::move(options)), random_(random), health_(options_.probe_interval) {
    rate_.set_ceiling(options_.max_rate);
}

void tracker::step(tracker_event event, instant now, std::vector<tracker_action>& actions) {
    if (const auto* jumped = std::get_if<clock_jumped_event>(&event)) clock_.on_set(jumped->set_by);
    now.wall = clock_.at(now.wall); // from here on all is judged and noted by vouched time
    std::visit([&](auto& happened) { on(std::move(happened), now, actions); }, event);
}

void tracker::on(tracked_event event, instant now, std::vector<tracker_action>& actions) {
    if (!event.once && leaving_.test(event.transaction.shard)) return;
    const bool is_moved = !event.once && begin_age(event.transaction.facts, now);
    if (const auto known = table_.find(event.transaction.id.str())) {
        if (event.once) {
            on(poll_wanted_event{table_.ref(*known)}, now, actions);
            return;
        }
        // It has ended, and was being asked once or waits for its last answer: now it is tracked anew.
        replace(*known, event.transaction, now);
        table_.at(*known).is_native = 1;
        table_.at(*known).is_age_stored = 0;
        table_.at(*known).is_moved = is_moved;
        if (table_.at(*known).phase == row_phase::idle) begin_tracking(*known, now);
        return;
    }
    const std::uint32_t slot = table_.insert(event.transaction, now);
    transaction_row& row = table_.at(slot);
    if (const auto left = just_left_.find(event.transaction.id.str()); left != just_left_.end())
        row.last_started = std::max(row.last_started, left->second);
    if (event.once) {
        row.watched = false;
        want_now(slot, now);
        return;
    }
    row.is_native = 1;
    row.is_moved = is_moved;
    watch_deadline(slot);
    begin_tracking(slot, now);
}

void tracker::on(loaded_event event, instant now, std::vector<tracker_action>& actions) {
    if (event.within) {
        // Of none of them is it known that it is older than since now.
        loaded_at_ = now.steady;
        for (active_transaction& transaction : event.transactions) {
            leaving_.reset(transaction.shard);
            take_up(std::move(transaction), *event.within, now, actions);
        }
        fire_deadlines(now, actions);
        return;
    }
    for (active_transaction& transaction : event.transactions) {
        if (table_.find(transaction.id.str())) continue;
        const bool is_anew = begin_age_at_load(transaction.facts, now);
        const std::uint32_t slot = table_.insert(transaction, now);
        table_.at(slot).is_native = is_anew ? 1 : 0;
        table_.at(slot).is_moved = is_anew;
        watch_deadline(slot);
    }
}

void tracker::on(started_event /*event*/, instant now, std::vector<tracker_action>& actions) {
    loaded_at_ = now.steady;
    respread(now, true);
    fire_deadlines(now, actions);
}

void tracker::on(untracked_event event, instant now, std::vector<tracker_action>& actions) {
    const std::uint32_t slot = slot_of(event.row);
    transaction_row& row = table_.at(slot);
    auto verdict = judge_untrack(table_.facts(slot, now));
    expects(verdict && row.phase != row_phase::recording, "tracker: the tracking of a row was ended twice");
    row.has_poll_in_flight = row.phase == row_phase::in_flight; // one in flight, also when this cannot be recorded
    if (row.is_urgent) row.wants_poll = true;                   // promised, unless this is its end
    leave_queues(slot);
    record(slot, std::move(*verdict), poll_answer{}, false, now, actions);
}

void tracker::on(poll_wanted_event event, instant now, std::vector<tracker_action>& /*actions*/) {
    const std::uint32_t slot = slot_of(event.row);
    transaction_row& row = table_.at(slot);
    if (row.phase == row_phase::waiting) {
        want_now(slot, now);
    } else {
        row.wants_poll = true;
    }
}

void tracker::on(token_changed_event /*event*/, instant now, std::vector<tracker_action>& /*actions*/) {
    health_.on_token_changed(now.steady);
    if (!health_.is_unwell() && outage_.is_open()) end_backoffs(now); // what the old token met counts no more
}

void tracker::on(woken_event event, instant now, std::vector<tracker_action>& actions) {
    fire_deadlines(now, actions);
    watch_burst(now, actions);
    watch_outage(now, actions);
    count_made_polls(now);
    const bool has_backlog = oldest_due(now) > seconds(1);
    const bool may_grow = !is_held_ && !event.is_withheld && health_.permit(now.steady) == poll_permit::free;
    if (may_grow && rate_.is_ramping() && rate_.grow(now.steady, wanted_rate(), has_backlog)) {
        const health_kind before = health_.kind();
        if (health_.on_full_speed(now.wall))
            actions.emplace_back(health_action{before, health_.kind(), "", milliseconds(0), ""});
    }
    watch_capacity(event.is_withheld, now, actions);
}

void tracker::on(clock_jumped_event /*event*/, instant now, std::vector<tracker_action>& actions) {
    respread(now, false);
    fire_deadlines(now, actions);
}

void tracker::on(options_changed_event event, instant now, std::vector<tracker_action>& /*actions*/) {
    const bool is_new_band = event.options.rules.interval != options_.rules.interval;
    const bool is_new_tail = event.options.rules.tail_interval != options_.rules.tail_interval ||
                             event.options.rules.verify_after != options_.rules.verify_after;
    options_ = std::move(event.options);
    rate_.set_ceiling(options_.max_rate);
    health_.set_probe_interval(options_.probe_interval);
    if (is_new_band || is_new_tail) respread(now, is_new_band);
}

std::uint32_t tracker::slot_of(row_ref row) const {
    expects(table_.holds(row), "tracker: a row was named that has gone");
    return row.slot;
}

change_number tracker::recording_change(row_ref row) const {
    const auto found = pending_.find(slot_of(row));
    expects(found != pending_.end(), "tracker: the row records no change");
    return found->second.number;
}

live_transaction tracker::live(row_ref named, instant now) const {
    const std::uint32_t slot = slot_of(named);
    const transaction_row& row = table_.at(slot);
    live_transaction live;
    live.facts = table_.facts(slot, now);
    auto due = due_.when(slot);
    if (!due) due = urgent_.when(slot);
    if (due && !is_held_) {
        const steady_time when{std::chrono::nanoseconds(*due)};
        live.next_poll_at = std::chrono::floor<milliseconds>(now.wall + (when - now.steady));
    } else if (row.phase == row_phase::in_flight) {
        live.next_poll_at = now.wall;
    }
    live.consecutive_errors = row.errors;
    live.last_error = table_.error(slot);
    live.is_recording = row.phase == row_phase::recording;
    return live;
}

std::optional<row_ref> tracker::find(std::string_view id) const {
    const auto slot = table_.find(id);
    if (!slot || table_.at(*slot).state == tracking_state::untracked) return std::nullopt;
    return table_.ref(*slot);
}

bool tracker::may_untrack(row_ref named) const {
    const transaction_row& row = table_.at(slot_of(named));
    return row.phase != row_phase::recording && !is_ended(row.state);
}

std::vector<active_transaction> tracker::all(instant now) const {
    std::vector<active_transaction> rows;
    rows.reserve(table_.size());
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) continue;
        if (auto row = to_save(slot, now)) rows.push_back(*std::move(row));
    }
    return rows;
}

/// nullopt: there is nothing to store, or its change has it.
std::optional<active_transaction> tracker::to_save(std::uint32_t slot, instant now) const {
    const transaction_row& row = table_.at(slot);
    if (row.phase == row_phase::recording || row.state == tracking_state::untracked) return std::nullopt;
    auto id = transaction_id::parse(row.id.str());
    if (!id) return std::nullopt;
    active_transaction saved{
        std::move(*id), table_.facts(slot, now), row.revision, static_cast<std::uint8_t>(row.shard),
        row.wants_poll || row.is_urgent};
    const bool is_unvouched = row.is_native != 0 && clock_.level() == vouched_clock::trust::none;
    if (is_unvouched) saved.facts.last_polled_at.reset();
    return saved;
}

void tracker::check_invariants() const {
    std::size_t in_flight = 0;
    for (std::uint32_t slot = 0; slot < table_.slots(); ++slot) {
        if (!table_.is_used(slot)) {
            if (due_.contains(slot) || urgent_.contains(slot) || pending_.contains(slot) || deadlines_.contains(slot))
                throw std::logic_error("a free row is queued");
            continue;
        }
        const transaction_row& row = table_.at(slot);
        const int places = static_cast<int>(due_.contains(slot)) + static_cast<int>(urgent_.contains(slot)) +
                           static_cast<int>(pending_.contains(slot)) +
                           static_cast<int>(row.phase == row_phase::in_flight);
        if (places != 1) throw std::logic_error("a row is not in exactly one place");
        if (row.is_urgent != urgent_.contains(slot)) throw std::logic_error("a row's urgency differs from its queue");
        if ((row.phase == row_phase::recording) != pending_.contains(slot))
            throw std::logic_error("a recording row has no change");
        if (row.phase == row_phase::in_flight || row.has_poll_in_flight) ++in_flight;
        if (row.has_poll_in_flight && row.phase != row_phase::recording)
            throw std::logic_error("a poll is counted twice");
    }
    check_shards();
    if (in_flight != in_flight_) throw std::logic_error("the count of polls in flight is wrong");
}

} // namespace prooftrack::track
