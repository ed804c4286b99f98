// One attempt's way through the delivery driver: taken -> loaded -> attempted -> recorded.

#include <algorithm>
#include <utility>

#include "engine/delivery_driver.hpp"
#include "engine/delivery_log.hpp"

namespace prooftrack {
namespace {

/// Most later deliveries of a transaction that are counted for the log line of a refused one.
constexpr std::size_t most_counted_behind = 100;

attempt_ending ending_of(const delivery_outcome& outcome) {
    attempt_ending ending;
    switch (outcome.what) {
    case delivery_outcome::verdict::delivered:
        ending.what = attempt_result::delivered;
        break;
    case delivery_outcome::verdict::failed:
        ending.what = attempt_result::failed;
        break;
    case delivery_outcome::verdict::gone:
        ending.what = attempt_result::gone;
        break;
    }
    if (outcome.status == 429 || outcome.status == 503) ending.retry_after = outcome.retry_after;
    return ending;
}

std::size_t fresh_size(const delivery_record& record) {
    return sizeof(record) + record.body->size() + record.url.size();
}

std::string_view result_name(const delivery_attempt& one) {
    if (one.ending.state == delivery_state::delivered) return "delivered";
    return one.ending.state == delivery_state::dead ? "dead" : "failed";
}

} // namespace

void delivery_driver::keep_fresh(delivery_record record) {
    const slot* const place = slot_for(record.lane);
    if (place == nullptr || !place->lane.configured() || place->lane.health().failing()) return;
    const std::size_t bytes = fresh_size(record);
    if (fresh_bytes_ + bytes > most_fresh_bytes) return;
    fresh_bytes_ += bytes;
    const delivery_id id = record.view.id;
    fresh_.emplace(id, std::move(record));
}

std::optional<delivery_record> delivery_driver::take_fresh(delivery_id id) {
    const auto found = fresh_.find(id);
    if (found == fresh_.end()) return std::nullopt;
    auto record = std::optional(std::move(found->second));
    fresh_.erase(found);
    fresh_bytes_ -= fresh_size(*record);
    return record;
}

void delivery_driver::load(slot& place, const lane_head& head, instant now) {
    attempt& one = attempts_[head.id];
    one.place = &place;
    one.head = head;
    if (place.is_url) ++url_attempts_;
    if (auto fresh = take_fresh(head.id); fresh && may_attempt(fresh->view, place.lane.schedule(), now.wall)) {
        one.where = attempt::phase::ready;
        one.record = std::move(fresh);
        place.ready.push_back(head.id);
        return;
    }
    doors_.memory.load_delivery(head.id, [this, id = head.id](op_result<std::optional<delivery_record>> loaded) {
        on_loaded(id, std::move(loaded));
    });
}

void delivery_driver::on_loaded(delivery_id id, op_result<std::optional<delivery_record>> loaded) {
    const instant now = enter();
    attempt& one = attempts_.at(id);
    slot& place = *one.place;
    const auto back = [&](wall_time due) {
        place.lane.put_back(id, due);
        release(id, now);
    };
    if (!loaded) {
        on_store_failure(loaded.error(), now);
        back(now.wall + store_retry_interval);
    } else if (stopping_ || halted_) {
        back(one.head.next_attempt_at);
    } else if (!*loaded || (*loaded)->view.state != delivery_state::pending) {
        release(id, now);
    } else if (!may_attempt((*loaded)->view, place.lane.schedule(), now.wall)) {
        back(*(*loaded)->view.next_attempt_at);
    } else {
        one.where = attempt::phase::ready;
        one.record = std::move(**loaded);
        place.ready.push_back(id);
        pump(place, now);
    }
    leave();
}

void delivery_driver::begin_ready(slot& place, instant now) {
    while (!place.ready.empty() && may_start()) {
        const delivery_lane::turn turn = place.lane.next_turn(now.steady);
        if (turn == delivery_lane::turn::wait) return;
        const delivery_id id = place.ready.front();
        place.ready.pop_front();
        attempt& one = attempts_.at(id);
        if (turn == delivery_lane::turn::go) {
            begin(one, now);
        } else {
            // It was due: a time that a wrong clock noted must not hold it up again.
            place.lane.put_back(id, std::min(one.head.next_attempt_at, now.wall));
            remove(id);
        }
    }
}

void delivery_driver::begin(attempt& one, instant now) {
    delivery_record& record = *one.record;
    one.where = attempt::phase::attempting;
    one.number = record.view.attempts + 1;
    one.place->lane.begin(one.head.id, now.steady);
    delivery_job job;
    job.id = one.head.id;
    job.callback = record.view.callback;
    job.url = record.url;
    job.event_id = record.view.event_id;
    job.event_type = record.view.event_type;
    job.transaction = record.view.transaction.str();
    job.state = record.state;
    job.status = record.status;
    job.attempt = one.number;
    job.body = std::move(record.body);
    job.now = now.wall;
    doors_.sender.deliver(std::move(job),
                          [this, id = one.head.id](delivery_outcome outcome) { on_outcome(id, std::move(outcome)); });
}

void delivery_driver::on_outcome(delivery_id id, delivery_outcome outcome) {
    const instant now = enter();
    attempt& one = attempts_.at(id);
    slot& place = *one.place;
    const bool cut_off = stopping_ && now.steady >= cut_at_ && outcome.what == delivery_outcome::verdict::failed;
    if (cut_off || halted_) {
        // Not recorded: made again after the start, without a step of its schedule being used up.
        release(id, now);
        leave();
        return;
    }
    const auto finished = place.lane.finish(id, one.number, ending_of(outcome), now, random_);
    if (place.is_url) --url_attempts_;
    one.ending.id = id;
    one.ending.at = now.wall;
    one.ending.attempts = finished.attempts;
    one.ending.state = finished.decision.state;
    one.ending.status = outcome.status;
    one.ending.error = outcome.error;
    one.ending.next_attempt_at = finished.decision.next_attempt_at;
    if (!outcome.error.empty()) place.last_error = outcome.error;
    one.outcome = std::move(outcome);
    record(one);
    on_health(place, finished.change, now);
    pump(place, now);
    leave();
}

void delivery_driver::record(attempt& one) {
    one.where = attempt::phase::recording;
    ++recording_;
    doors_.memory.record_attempt(one.ending,
                                 [this, id = one.head.id](op_result<std::optional<delivery_head>> recorded) {
                                     on_attempt_recorded(id, std::move(recorded));
                                 });
}

void delivery_driver::on_attempt_recorded(delivery_id id, op_result<std::optional<delivery_head>> recorded) {
    const instant now = enter();
    --recording_;
    attempt& one = attempts_.at(id);
    slot& place = *one.place;
    if (!recorded) {
        on_store_failure(recorded.error(), now);
        if (stopping_ || halted_ || recorded.error().code == store_error::not_found) {
            release(id, now);
        } else {
            one.where = attempt::phase::unrecorded;
            unrecorded_.push_back(id);
            enter_full(now);
        }
    } else {
        report_outcome(one);
        const lane_head next{id, one.ending.attempts, one.ending.next_attempt_at.value_or(now.wall),
                             one.head.transaction};
        const bool again = one.ending.state == delivery_state::pending;
        attempts_.erase(id);
        place.lane.forget(id);
        if (again) place.lane.insert(next, now.wall);
        const bool same_lane = *recorded && (*recorded)->lane == place.name;
        if (same_lane) place.lane.insert(lane_head_of(**recorded), now.wall);
        // From here on the lane may be dropped.
        if (full_) {
            leave_full(now);
        } else {
            pump(place, now);
        }
        if (*recorded && !same_lane) insert_head(**recorded, now);
    }
    finish_stop();
    leave();
}

void delivery_driver::report_outcome(const attempt& one) {
    doors_.metrics.on_delivery(one.record->view.callback, result_name(one));
    if (one.ending.state == delivery_state::delivered) {
        log_delivered(doors_.log, one);
        return;
    }
    if (one.ending.state == delivery_state::dead) {
        log_dead(doors_.log, one);
        return;
    }
    if (stopping_) {
        log_failed(doors_.log, one, 0);
        return;
    }
    delivery_query query;
    query.state = delivery_state::pending;
    query.callback = one.record->view.callback;
    query.transaction = one.record->view.transaction.str();
    query.limit = most_counted_behind;
    doors_.memory.deliveries(std::move(query), [this, one](const op_result<delivery_page>& page) {
        std::uint64_t behind = 0;
        if (page) {
            for (const delivery_view& view : page->deliveries) behind += view.id > one.head.id ? 1U : 0U;
        }
        log_failed(doors_.log, one, behind);
    });
}

void delivery_driver::remove(delivery_id id) {
    const auto found = attempts_.find(id);
    const bool counted = found->second.where < attempt::phase::recording;
    if (found->second.place->is_url && counted) --url_attempts_;
    found->second.place->lane.forget(id);
    attempts_.erase(found);
}

void delivery_driver::release(delivery_id id, instant now) {
    slot& place = *attempts_.at(id).place;
    remove(id);
    pump(place, now);
}

// ---- health

void delivery_driver::on_health(slot& place, delivery_health::change change, instant now) {
    if (change == delivery_health::change::none) return;
    place.failing_known = true;
    if (change == delivery_health::change::turned_failing) {
        place.failing_from = place.lane.health().failing_since().value_or(now.wall);
        place.next_failing_log = now.steady + failing_log_interval;
        log_failing(doors_.log, place);
    } else {
        log_recovered(doors_.log, place);
    }
    save_failing(place);
}

void delivery_driver::save_failing(slot& place) {
    if (place.saving_failing) {
        place.failing_unsaved = true;
        return;
    }
    place.saving_failing = true;
    place.failing_unsaved = false;
    if (const auto since = place.lane.health().failing_since()) {
        doors_.memory.set_failing(place.name, since, [this, &place](const op_result<std::monostate>& saved) {
            on_failing_saved(place, saved ? std::nullopt : std::optional(saved.error()), 0);
        });
        return;
    }
    const wall_time now = doors_.clock.now().wall;
    const auto ends =
        [since = place.failing_from, now,
         waits = std::vector(place.lane.schedule().begin(), place.lane.schedule().end())](const waiting_delivery& one) {
            return ends_with_recovery({one.attempts, one.last_attempt_at, one.next_attempt_at}, since, waits, now);
        };
    doors_.memory.end_failing(place.name, {now, ends}, [this, &place](const op_result<std::uint64_t>& freed) {
        on_failing_saved(place, freed ? std::nullopt : std::optional(freed.error()), freed ? *freed : 0);
    });
}

void delivery_driver::on_failing_saved(slot& place, const std::optional<op_error>& error, std::uint64_t freed) {
    const instant now = enter();
    place.saving_failing = false;
    if (error && error->code == store_error::full && !stopping_) {
        place.failing_unsaved = true;
        enter_full(now);
    } else if (error) {
        on_store_failure(*error, now);
    } else if (place.failing_unsaved) {
        save_failing(place);
    }
    if (freed > 0) {
        // What had failed goes with the recovery: the store has new times for it.
        place.lane.invalidate();
        pump(place, now);
    } else {
        drop_if_idle(place);
    }
    leave();
}

void delivery_driver::log_still_failing(slot& place, instant now) {
    if (!place.lane.health().failing() || !place.lane.configured() || place.next_failing_log > now.steady) return;
    if (place.is_url && place.lane.idle()) return; // pump drops it
    place.next_failing_log = now.steady + failing_log_interval;
    log_failing(doors_.log, place);
}

// ---- a full or failed store

void delivery_driver::enter_full(instant now) {
    full_ = true;
    room_at_ = now.steady + store_retry_interval;
    for (const auto& [name, place] : slots_) arm(*place, now);
}

void delivery_driver::leave_full(instant now) {
    if (!std::exchange(full_, false)) return;
    room_at_.reset();
    for (const auto& [name, place] : slots_) place->refill_failed = false;
    for (const delivery_id id : std::exchange(unrecorded_, {})) record(attempts_.at(id));
    for (const auto& [name, place] : slots_) {
        if (place->failing_unsaved) save_failing(*place);
    }
    pump_all(now);
}

void delivery_driver::try_room(instant now) {
    room_at_.reset();
    for (const auto& [name, place] : slots_) place->refill_failed = false;
    if (!full_) {
        pump_all(now);
        return;
    }
    if (!unrecorded_.empty()) {
        const delivery_id first = unrecorded_.front();
        unrecorded_.erase(unrecorded_.begin());
        record(attempts_.at(first));
        return;
    }
    leave_full(now);
}

void delivery_driver::on_store_failure(const op_error& error, instant now) {
    if (error.code == store_error::failed || error.code == store_error::moved || error.code == store_error::stopped) {
        halted_ = true;
        room_at_.reset();
        return;
    }
    if (!room_at_ && !stopping_) room_at_ = now.steady + store_retry_interval;
}

void delivery_driver::finish_stop() {
    if (stopping_ && sender_stopped_ && recording_ == 0 && stopped_) std::exchange(stopped_, {})();
}

} // namespace prooftrack
