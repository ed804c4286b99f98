#include "track/delivery_lane.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack {

delivery_lane::delivery_lane(std::size_t capacity, bool whole, std::optional<lane_settings> settings)
    : queue_(capacity, whole) {
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
    if (!has_room()) return std::nullopt;
    const auto due = queue_.first_due();
    if (!due || *due > now.wall) return std::nullopt;
    if (const auto next_try = health_.next_try(); next_try && *next_try > now.steady) return std::nullopt;
    const lane_head head = queue_.pop();
    busy_.emplace(head.id, busy_head{head});
    ++fetched_;
    return head;
}

delivery_lane::turn delivery_lane::next_turn(steady_time now) const {
    if (!settings_) return turn::back;
    if (const auto next_try = health_.next_try()) return attempting_ == 0 && *next_try <= now ? turn::go : turn::back;
    return attempting_ < limit() ? turn::go : turn::wait;
}

void delivery_lane::put_back(delivery_id id, wall_time due) {
    const lane_head head = busy_.at(id).head;
    forget(id);
    if (configured()) queue_.insert(head, due);
}

void delivery_lane::begin(delivery_id id, steady_time now) {
    busy_.at(id).where = phase::attempting;
    --fetched_;
    ++attempting_;
    health_.on_start(now);
}

delivery_lane::finished delivery_lane::finish(delivery_id id, std::uint32_t attempts, const attempt_ending& ending,
                                              instant now, random_source& random) {
    busy_head& busy = busy_.at(id);
    leave_phase(busy.where);
    busy.where = phase::recording;
    finished end;
    if (ending.what == attempt_result::delivered) {
        end.change = health_.on_success();
    } else {
        end.change = health_.on_failure(busy.head.transaction, now);
    }
    if (busy.restarted && ending.what != attempt_result::delivered) {
        end.decision = {delivery_state::pending, now.wall};
        return end;
    }
    end.decision = after_attempt(ending, attempts, schedule_, now.wall, random);
    end.attempts = attempts;
    return end;
}

void delivery_lane::forget(delivery_id id) {
    const auto found = busy_.find(id);
    if (found == busy_.end()) return;
    leave_phase(found->second.where);
    busy_.erase(found);
}

void delivery_lane::restart(delivery_id id) {
    const auto found = busy_.find(id);
    if (found != busy_.end() && found->second.where != phase::recording) found->second.restarted = true;
}

std::optional<steady_time> delivery_lane::next_wake(instant now) const {
    const auto due = queue_.first_due();
    if (!due || !has_room()) return std::nullopt;
    const steady_time when = now.steady + std::max(*due - now.wall, milliseconds(0));
    return std::max(when, health_.next_try().value_or(when));
}

void delivery_lane::on_clock_jump(instant now) {
    queue_.rearrange([this, now](const lane_head& head) { return due_of(head, now.wall); });
    if (settings_ && queue_.count_due(now.wall, settings_->max_in_flight + 1) > settings_->max_in_flight)
        health_.restrain();
}

std::size_t delivery_lane::limit() const {
    return settings_ ? health_.limit(std::max<std::size_t>(settings_->max_in_flight, 1)) : 0;
}

bool delivery_lane::has_room() const {
    if (health_.failing()) return settings_ && fetched_ + attempting_ == 0;
    const std::size_t ahead = settings_ ? std::max(limit(), settings_->load_ahead) : 0;
    return fetched_ < ahead && busy_.size() < limit() + ahead + most_being_recorded;
}

void delivery_lane::leave_phase(phase where) {
    switch (where) {
    case phase::loading:
        --fetched_;
        break;
    case phase::attempting:
        --attempting_;
        break;
    case phase::recording:
        break;
    }
}

wall_time delivery_lane::due_of(const lane_head& head, wall_time now) const {
    return look_at(head.next_attempt_at, head.attempts, schedule_, now);
}

} // namespace prooftrack
