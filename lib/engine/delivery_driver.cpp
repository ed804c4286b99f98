#include "engine/delivery_driver.hpp"

#include <algorithm>
#include <utility>

#include "engine/delivery_log.hpp"

namespace prooftrack {

delivery_driver::delivery_driver(delivery_doors doors, callback_table table, std::uint64_t seed,
                                 unique_function<void()> wake_changed)
    : doors_(doors), table_(std::move(table)), random_(seed), wake_changed_(std::move(wake_changed)) {}

delivery_driver::~delivery_driver() = default;

// ---- the ways in

void delivery_driver::start(const store_status& status) {
    const instant now = enter();
    full_ = status.state == store_state::full;
    for (const callback_config& one : table_.callbacks()) {
        const auto summary = status.lanes.find(one.name);
        make_slot(one.name, summary == status.lanes.end() || summary->second.pending == 0);
    }
    for (const auto& [name, summary] : status.lanes) {
        take_over(summary, now);
        if (is_own_url_lane(name) && summary.pending == 0 && summary.failing_since) {
            doors_.memory.set_failing(name, std::nullopt, [](const op_result<std::monostate>&) {});
        }
        if (summary.pending > 0 && !table_.settings_for(name)) log_unconfigured(doors_.log, summary);
    }
    pump_all(now);
    leave();
}

void delivery_driver::on_recorded(recorded_transition recorded) {
    const instant now = enter();
    for (delivery_record& record : recorded.records) keep_fresh(std::move(record));
    for (const delivery_head& head : recorded.heads) insert_head(head, now);
    leave();
}

void delivery_driver::reconfigure(callback_table table) {
    const instant now = enter();
    table_ = std::move(table);
    fresh_.clear(); // those of a callback that went would stay for ever
    fresh_bytes_ = 0;
    for (const auto& [name, place] : slots_) place->lane.configure(table_.settings_for(name));
    for (const callback_config& one : table_.callbacks()) {
        if (find_slot(one.name) == nullptr) make_slot(one.name, false);
    }
    sync_lanes(true);
    pump_all(now);
    leave();
}

std::optional<steady_time> delivery_driver::next_wake() const {
    std::optional<steady_time> first = room_at_;
    if (!wakes_.empty()) first = std::min(first.value_or(wakes_.begin()->first.when), wakes_.begin()->first.when);
    return first;
}

void delivery_driver::on_wake(instant now) {
    enter();
    if (room_at_ && *room_at_ <= now.steady) try_room(now);
    std::vector<slot*> due;
    for (const auto& [when, place] : wakes_) {
        if (when.when > now.steady) break;
        due.push_back(place);
    }
    // A lane that is pumped can be dropped, but never another one.
    for (slot* place : due) {
        log_still_failing(*place, now);
        pump(*place, now);
    }
    leave();
}

void delivery_driver::on_store_state(store_state state) {
    const instant now = enter();
    if (state == store_state::full) {
        full_ = true;
        if (!unrecorded_.empty() && !room_at_) room_at_ = now.steady + store_retry_interval;
    } else {
        leave_full(now);
    }
    leave();
}

void delivery_driver::on_clock_jump() {
    const instant now = enter();
    follow_clock(now);
    leave();
}

void delivery_driver::stop(milliseconds within, unique_function<void()> stopped) {
    const instant now = enter();
    stopping_ = true;
    stopped_ = std::move(stopped);
    cut_at_ = now.steady + within;
    room_at_.reset();
    wakes_.clear();
    for (const auto& [name, place] : slots_) {
        place->wake.reset();
        for (const delivery_id id : std::exchange(place->ready, {})) remove(id);
    }
    for (const delivery_id id : std::exchange(unrecorded_, {})) record(attempts_.at(id));
    doors_.sender.stop(within, [this] {
        sender_stopped_ = true;
        finish_stop();
    });
    leave();
}

// ---- lanes

instant delivery_driver::enter() {
    const instant now = doors_.clock.now();
    if (clocks_.look(now, doors_.clock.since_boot())) follow_clock(now);
    return now;
}

void delivery_driver::follow_clock(instant now) {
    for (const auto& [name, place] : slots_) {
        place->lane.on_clock_jump(now);
        arm(*place, now);
    }
}

void delivery_driver::leave() {
    if (!starved_.empty()) pump_starved(doors_.clock.now());
    const auto next = next_wake();
    if (next == announced_) return;
    announced_ = next;
    if (wake_changed_) wake_changed_();
}

delivery_driver::slot* delivery_driver::find_slot(std::string_view lane) {
    const auto found = slots_.find(lane);
    return found == slots_.end() ? nullptr : found->second.get();
}

delivery_driver::slot* delivery_driver::make_slot(const std::string& lane, bool whole) {
    const bool is_url = is_own_url_lane(lane);
    if (is_url && url_lanes_ >= most_url_lanes) drop_idle_failing_one();
    if (is_url && url_lanes_ >= most_url_lanes) {
        lanes_left_out_ = true;
        return nullptr;
    }
    if (is_url) ++url_lanes_;
    const std::size_t capacity = is_url ? url_lane_capacity : lane_capacity;
    auto made = std::make_unique<slot>(lane, ++last_number_, delivery_lane(capacity, whole, table_.settings_for(lane)));
    return slots_.emplace(lane, std::move(made)).first->second.get();
}

delivery_driver::slot* delivery_driver::slot_for(const std::string& lane) {
    slot* const found = find_slot(lane);
    // A lane that was left out before has deliveries in the store that are older than this one.
    return found != nullptr ? found : make_slot(lane, !lanes_left_out_);
}

void delivery_driver::drop_if_idle(slot& place) {
    if (!place.is_url || !place.lane.idle() || place.refilling || place.starved || place.saving_failing ||
        place.failing_unsaved)
        return;
    // A failing host is remembered for an hour: its next event must not count as the first of a healthy one.
    if (place.lane.health().failing() && doors_.clock.now().steady < place.next_failing_log) return;
    drop(place);
    if (std::exchange(lanes_left_out_, false)) sync_lanes(false);
}

void delivery_driver::drop(slot& place) {
    if (place.lane.health().failing() && !stopping_ && !halted_) {
        doors_.memory.set_failing(place.name, std::nullopt, [](const op_result<std::monostate>&) {});
    }
    if (place.wake) wakes_.erase({*place.wake, place.number});
    slots_.erase(slots_.find(place.name));
    --url_lanes_;
}

void delivery_driver::drop_idle_failing_one() {
    for (const auto& [name, place] : slots_) {
        if (!place->is_url || !place->lane.idle() || place->refilling || place->starved || place->saving_failing)
            continue;
        drop(*place);
        return;
    }
}

void delivery_driver::insert_head(const delivery_head& head, instant now) {
    slot* const place = slot_for(head.lane);
    if (place == nullptr) return;
    place->lane.insert(lane_head_of(head), now.wall);
    pump(*place, now);
}

void delivery_driver::pump(slot& place, instant now) {
    begin_ready(place, now);
    ask_refill(place);
    while (may_start()) {
        if (place.is_url && url_attempts_ >= most_url_attempts) {
            if (!place.starved) starved_.push_back(&place);
            place.starved = true;
            break;
        }
        const auto head = place.lane.take(now);
        if (!head) break;
        load(place, *head, now);
        begin_ready(place, now);
        ask_refill(place);
    }
    arm(place, now);
    drop_if_idle(place);
}

void delivery_driver::pump_all(instant now) {
    std::vector<slot*> all;
    for (const auto& [name, place] : slots_) all.push_back(place.get());
    for (slot* place : all) pump(*place, now);
}

void delivery_driver::pump_starved(instant now) {
    while (!starved_.empty() && url_attempts_ < most_url_attempts) {
        slot* const place = starved_.front();
        starved_.pop_front();
        place->starved = false;
        pump(*place, now);
    }
}

void delivery_driver::ask_refill(slot& place) {
    if (place.refilling || place.refill_failed || halted_ || stopping_ || !place.lane.wants_refill()) return;
    place.refilling = true;
    const std::size_t asked = place.lane.refill_size();
    doors_.memory.next_heads(place.name, asked, [this, &place, asked](op_result<std::vector<delivery_head>> heads) {
        const instant then = enter();
        place.refilling = false;
        if (!heads) {
            place.refill_failed = true;
            on_store_failure(heads.error(), then);
        } else {
            std::vector<lane_head> first;
            for (const delivery_head& head : *heads) first.push_back(lane_head_of(head));
            place.lane.refill(first, asked, then.wall);
            pump(place, then);
        }
        leave();
    });
}

void delivery_driver::arm(slot& place, instant now) {
    std::optional<steady_time> wake;
    if (may_start() && !place.starved) wake = place.lane.next_wake(now);
    if (!stopping_ && place.lane.configured() && place.lane.health().failing()) {
        wake = std::min(wake.value_or(place.next_failing_log), place.next_failing_log);
    }
    if (wake == place.wake) return;
    if (place.wake) wakes_.erase({*place.wake, place.number});
    if (wake) wakes_.emplace(wake_place{*wake, place.number}, &place);
    place.wake = wake;
}

void delivery_driver::take_over(const lane_summary& summary, instant now) {
    slot* place = find_slot(summary.lane);
    if (place == nullptr && summary.pending > 0) place = make_slot(summary.lane, false);
    if (place == nullptr || std::exchange(place->failing_known, true) || !summary.failing_since) return;
    place->lane.health().resume_failing(*summary.failing_since, now.steady);
    place->failing_from = *summary.failing_since;
    if (!place->lane.configured()) return;
    place->next_failing_log = now.steady + failing_log_interval;
    log_failing(doors_.log, *place);
}

void delivery_driver::sync_lanes(bool warn) {
    doors_.memory.status([this, warn](op_result<store_status> status) {
        const instant now = enter();
        if (!status) {
            on_store_failure(status.error(), now);
        } else {
            for (const auto& [name, summary] : status->lanes) {
                take_over(summary, now);
                if (warn && summary.pending > 0 && !table_.settings_for(name)) log_unconfigured(doors_.log, summary);
            }
            if (!stopping_) pump_all(now);
        }
        leave();
    });
}

} // namespace prooftrack
