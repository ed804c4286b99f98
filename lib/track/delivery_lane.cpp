#include "track/delivery_lane.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack::track {

delivery_lane::delivery_lane(std::size_t capacity, stored_heads stored, std::optional<lane_settings> settings)
    : queue_(capacity, stored) {
    configure(std::move(settings));
}

void delivery_lane::configure(std::optional<lane_settings> settings) {
    settings_ = std::move(settings);
    if (settings_) {
        schedule_ = settings_->retry_schedule;
    } else if (!idle()) {
        queue_.clear();
    }
}

void delivery_lane::resume() {
    if (std::exchange(paused_, false)) health_.restrain();
}

void delivery_lane::insert(const lane_head& head, wall_time now) {
    if (busy_.contains(head.id)) return;
    if (configured()) {
        queue_.insert(head, due_of(head, now));
    } else {
        queue_.clear();
    }
}

void delivery_lane::refill(std::span<const lane_head> heads, std::size_t asked, wall_time now) {
    if (!configured()) return;
    queue_.refill(
        heads, asked, [this](const lane_head& head) { return !busy_.contains(head.id); },
        [this, now](const lane_head& head) { return due_of(head, now); });
}

std::optional<lane_head> delivery_lane::take(instant now) {
    if (const auto next_try = health_.next_try(); next_try && *next_try > now.steady) return std::nullopt;
    for (const delivery_kind kind : {delivery_kind::recorded, delivery_kind::replayed}) {
        const auto due = queue_.first_due(kind);
        if (!due || *due > now.wall || !has_room(kind)) continue;
        const lane_head head = queue_.pop(kind);
        busy_.take(head);
        return head;
    }
    return std::nullopt;
}

delivery_lane::loaded_verdict delivery_lane::judge(const delivery_view* stored, wall_time now) const {
    using verdict = loaded_verdict::verdict;
    if (stored == nullptr || stored->state != delivery_state::pending) return {verdict::gone, {}};
    if (!may_attempt(*stored, schedule_, now)) return {verdict::back, *stored->next_attempt_at};
    if (recovery_ && stored->next_attempt_at &&
        recovery_->ends({stored->attempts, stored->last_attempt_at, *stored->next_attempt_at}))
        return {verdict::back, now + recovery_look_interval};
    return {verdict::ready, {}};
}

delivery_lane::turn delivery_lane::next_turn(steady_time now) const {
    if (!settings_ || paused_) return turn::back;
    if (const auto next_try = health_.next_try())
        return busy_.attempting() == 0 && *next_try <= now ? turn::go : turn::back;
    if (busy_.attempting() >= limit()) return turn::wait;
    const auto first = busy_.first_ready();
    const auto kind = first ? busy_.head_of(*first).kind : delivery_kind::recorded;
    return busy_.attempting(kind) < limit(kind) ? turn::go : turn::wait;
}

void delivery_lane::put_back(delivery_id id, wall_time due) {
    const lane_head head = busy_.remove(id);
    if (configured()) queue_.insert(head, due);
}

void delivery_lane::begin(delivery_id id, steady_time now) {
    busy_.begin(id);
    health_.on_start(now);
}

delivery_lane::finished delivery_lane::finish(
    delivery_id id, std::uint32_t attempts, const attempt_ending& ending, instant now, random_source& random) {
    busy_.finish(id);
    finished end;
    if (ending.what == attempt_result::delivered) {
        end.change = health_.on_success();
    } else {
        end.change = health_.on_failure(busy_.head_of(id).transaction, now);
    }
    if (busy_.is_restarted(id) && ending.what != attempt_result::delivered) {
        end.decision = {delivery_state::pending, now.wall};
        return end;
    }
    end.decision = after_attempt(ending, attempts, schedule_, now.wall, random);
    end.attempts = attempts;
    return end;
}

void delivery_lane::forget(delivery_id id) { busy_.remove(id); }

void delivery_lane::restart(delivery_id id) { busy_.restart(id); }

void delivery_lane::cancel_restart(delivery_id id) { busy_.cancel_restart(id); }

std::optional<steady_time> delivery_lane::next_wake(instant now) const {
    std::optional<wall_time> due;
    for (const delivery_kind kind : {delivery_kind::recorded, delivery_kind::replayed}) {
        const auto first = has_room(kind) ? queue_.first_due(kind) : std::nullopt;
        if (first && (!due || *first < *due)) due = first;
    }
    if (!due) return std::nullopt;
    const steady_time when = now.steady + std::max(*due - now.wall, milliseconds(0));
    return std::max(when, health_.next_try().value_or(when));
}

void delivery_lane::on_clock_jump(instant now) {
    queue_.rearrange([this, now](const lane_head& head) { return due_of(head, now.wall); });
    restrain_if_many_are_due(now.wall);
}

void delivery_lane::restrain_if_many_are_due(wall_time now) {
    if (settings_ && queue_.count_due(now, settings_->max_in_flight + 1) > settings_->max_in_flight) health_.restrain();
}

recovery_rule delivery_lane::begin_recovery(wall_time failing_since, wall_time now) {
    recovery_ = recovery_rule{failing_since, now, schedule_};
    return *recovery_;
}

delivery_health::change delivery_lane::on_test_taken() {
    return health_.failing() && idle() ? health_.on_success() : delivery_health::change::none;
}

std::size_t delivery_lane::limit() const {
    return settings_ ? health_.limit(std::max<std::size_t>(settings_->max_in_flight, 1)) : 0;
}

std::size_t delivery_lane::limit(delivery_kind kind) const {
    return kind == delivery_kind::replayed ? share_of_replays(limit()) : limit();
}

/// Each kind has room of its own: the replayed ones that are under way keep no recorded one waiting.
bool delivery_lane::has_room(delivery_kind kind) const {
    if (paused_) return false;
    if (health_.failing()) return settings_ && busy_.fetched() + busy_.attempting() == 0;
    const std::size_t most = limit(kind);
    const std::size_t ahead = settings_ ? std::max(most, settings_->load_ahead) : 0;
    return busy_.fetched(kind) < ahead && busy_.size(kind) < most + ahead + most_being_recorded;
}

wall_time delivery_lane::due_of(const lane_head& head, wall_time now) const {
    return look_at(head.next_attempt_at, head.attempts, schedule_, now);
}

} // namespace prooftrack::track
