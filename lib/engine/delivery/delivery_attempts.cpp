#include "engine/delivery/delivery_attempts.hpp"

#include <algorithm>
#include <utility>

#include "base/expects.hpp"
#include "engine/delivery/outcome_report.hpp"
#include "track/event.hpp"

namespace prooftrack::engine {
namespace {

track::attempt_result result_of(callback::delivery_outcome::verdict what) {
    switch (what) {
    case callback::delivery_outcome::verdict::delivered:
        return track::attempt_result::delivered;
    case callback::delivery_outcome::verdict::failed:
        return track::attempt_result::failed;
    case callback::delivery_outcome::verdict::gone:
        return track::attempt_result::gone;
    }
    return track::attempt_result::failed;
}

track::attempt_ending ending_of(const callback::delivery_outcome& outcome) {
    return {result_of(outcome.what), track::honoured_retry_after(outcome.status, outcome.retry_after)};
}

store::attempt_record record_of(
    delivery_id id, const track::delivery_lane::finished& finished, const callback::delivery_outcome& outcome,
    wall_time now) {
    store::attempt_record record;
    record.id = id;
    record.at = now;
    record.attempts = finished.attempts;
    record.state = finished.decision.state;
    record.status = outcome.status;
    record.error = outcome.error;
    record.next_attempt_at = finished.decision.next_attempt_at;
    return record;
}

/// Takes the body along: nobody needs it afterwards.
callback::delivery_job job_of(store::delivery_record& record, std::uint32_t attempt, wall_time now) {
    callback::delivery_job job;
    job.id = record.view.id;
    job.callback = record.view.callback;
    job.url = record.url;
    job.event_id = record.view.event_id;
    job.event_type = record.view.event_type;
    job.transaction = record.view.transaction.str();
    job.state = record.state;
    job.status = record.status;
    job.sequence = track::event_sequence(record.recorded_at);
    job.traceparent = track::event_traceparent(record.traceparent, record.view.event_id);
    job.attempt = attempt;
    job.body = std::move(record.body);
    job.now = now;
    return job;
}

} // namespace

// ---- loading

void delivery_attempts::load(delivery_slot& slot, const track::lane_head& head, instant now) {
    delivery_attempt& one = attempts_[head.id];
    one.lane = slot.number;
    one.head = head;
    if (slot.is_url) context_.url_attempts.take();
    auto fresh = context_.fresh.take(head.id);
    if (fresh && slot.lane.judge(&fresh->view, now.wall).what == track::delivery_lane::loaded_verdict::verdict::ready) {
        make_ready(one, std::move(*fresh));
        return;
    }
    context_.deps.storage.load_delivery(
        head.id, [this, id = head.id](op_result<std::optional<store::delivery_record>> loaded) {
            on_loaded(id, std::move(loaded));
        });
}

void delivery_attempts::make_ready(delivery_attempt& one, store::delivery_record record) {
    slot_of(one).lane.loaded(one.head.id);
    one.record = std::move(record);
}

void delivery_attempts::on_loaded(delivery_id id, op_result<std::optional<store::delivery_record>> loaded) {
    using verdict = track::delivery_lane::loaded_verdict::verdict;
    const instant now = host_.enter();
    delivery_attempt& one = attempts_.at(id);
    delivery_slot& slot = slot_of(one);
    track::delivery_lane::loaded_verdict next{verdict::back, one.head.next_attempt_at};
    if (!loaded) {
        host_.on_store_error(loaded.error(), now);
        next.due = now.wall + track::store_retry_interval;
    } else if (one.is_outdated) {
        next.due = std::min(next.due, now.wall);
    } else if (
        context_.stop.is_running() && !context_.pressure.is_halted() && !context_.is_held && context_.is_trusted()) {
        next = slot.lane.judge(*loaded ? &(*loaded)->view : nullptr, now.wall);
    }
    if (!context_.holds(one.head)) next.what = verdict::gone;
    switch (next.what) {
    case verdict::ready:
        make_ready(one, std::move(**loaded));
        break;
    case verdict::back:
        put_back(id, next.due);
        break;
    case verdict::gone:
        drop(id);
        break;
    }
    host_.feed(slot, now);
    host_.leave();
}

// ---- the attempt

void delivery_attempts::begin_ready(delivery_slot& slot, instant now) {
    while (const auto id = slot.lane.first_ready()) {
        if (!context_.may_start()) return;
        const track::delivery_lane::turn turn = slot.lane.next_turn(now.steady);
        if (turn == track::delivery_lane::turn::wait) return;
        delivery_attempt& one = attempts_.at(*id);
        if (turn == track::delivery_lane::turn::go) {
            begin(slot, one, now);
        } else {
            // It was due: a time that a wrong clock noted must not hold it up again.
            put_back(*id, std::min(one.head.next_attempt_at, now.wall));
        }
    }
}

void delivery_attempts::begin(delivery_slot& slot, delivery_attempt& one, instant now) {
    expects(one.record.has_value(), "delivery_attempts: an attempt without its bytes");
    one.number = one.record->view.attempts + 1;
    slot.lane.begin(one.head.id, now.steady);
    context_.deps.sender.deliver(
        job_of(*one.record, one.number, now.wall),
        [this, id = one.head.id](callback::delivery_outcome outcome) { on_outcome(id, std::move(outcome)); });
}

void delivery_attempts::on_outcome(delivery_id id, callback::delivery_outcome outcome) {
    const instant now = host_.enter();
    delivery_attempt& one = attempts_.at(id);
    delivery_slot& slot = slot_of(one);
    const bool cut_off =
        outcome.what == callback::delivery_outcome::verdict::failed && context_.stop.cuts_off(now.steady);
    if (cut_off || context_.pressure.is_halted()) {
        // Not recorded: made again after the start, without a step of its schedule being used up.
        release(id, now);
        host_.leave();
        return;
    }
    uncount(slot, id);
    const auto finished = slot.lane.finish(id, one.number, ending_of(outcome), now, context_.random);
    one.ending = record_of(id, finished, outcome, now.wall);
    if (!outcome.error.empty()) slot.last_error = outcome.error;
    one.outcome = std::move(outcome);
    record(one);
    host_.on_health(slot, finished.change, now);
    host_.feed(slot, now);
    host_.leave();
}

// ---- recording

void delivery_attempts::record(delivery_attempt& one) {
    ++recording_;
    context_.deps.storage.record_attempt(
        one.ending, [this, id = one.head.id](op_result<std::optional<store::delivery_head>> recorded) {
            on_answer(id, std::move(recorded));
        });
}

void delivery_attempts::on_answer(delivery_id id, op_result<std::optional<store::delivery_head>> recorded) {
    const instant now = host_.enter();
    --recording_;
    if (recorded) {
        on_recorded(id, *recorded, now);
    } else {
        on_refused(id, recorded.error(), now);
    }
    host_.on_outcome_settled();
    host_.leave();
}

void delivery_attempts::on_refused(delivery_id id, const op_error& error, instant now) {
    host_.on_store_error(error, now);
    delivery_attempt& one = attempts_.at(id);
    if (one.is_retried) slot_of(one).read_again(); // it was left out of what was read while it was busy
    const bool is_outdated = one.is_retried || error.code == store::store_error::not_found;
    if (is_outdated || !context_.stop.is_running() || context_.pressure.is_halted()) {
        release(id, now);
        return;
    }
    unrecorded_.push_back(id);
    // Any other error may be this outcome's own: it is tried again, and holds nothing but itself.
    if (store::is_passing(error)) host_.on_write_refused(now);
}

void delivery_attempts::on_recorded(delivery_id id, const std::optional<store::delivery_head>& promoted, instant now) {
    const delivery_attempt one = std::move(attempts_.at(id));
    attempts_.erase(id);
    delivery_slot& slot = slot_of(one);
    report_outcome(context_.deps, one, context_.stop.is_running());
    slot.lane.forget(id);
    const bool repeats_retry = one.is_retried && one.ending.state != track::delivery_state::delivered;
    if (repeats_retry) {
        repeat_retry(slot, id, now);
    } else if (context_.holds(one.head) && one.is_outdated) {
        slot.read_again(); // another node may have had it meanwhile
    } else if (context_.holds(one.head) && one.ending.state == track::delivery_state::pending) {
        const wall_time next = one.ending.next_attempt_at.value_or(now.wall);
        slot.lane.insert({id, one.ending.attempts, next, one.head.transaction, one.head.kind}, now.wall);
    }
    const bool same_lane = promoted && promoted->lane == slot.name;
    if (same_lane && context_.holds(lane_head_of(*promoted))) slot.lane.insert(lane_head_of(*promoted), now.wall);
    // From here on the lane may be gone.
    if (context_.pressure.is_full()) {
        host_.on_store_writable(now);
    } else {
        host_.feed(slot, now);
    }
    if (promoted && !same_lane) host_.take_in(*promoted, now);
}

void delivery_attempts::record_oldest() {
    expects(any_unrecorded(), "delivery_attempts: no outcome waits to be recorded");
    const delivery_id first = unrecorded_.front();
    unrecorded_.pop_front();
    record(attempts_.at(first));
}

void delivery_attempts::record_all() {
    for (const delivery_id id : std::exchange(unrecorded_, {})) record(attempts_.at(id));
}

std::vector<delivery_id> delivery_attempts::begun() const {
    std::vector<delivery_id> all;
    for (const auto& [id, one] : attempts_) {
        if (has_begun(id, one)) all.push_back(id);
    }
    return all;
}

std::size_t delivery_attempts::busy_in(const shard_set& shards) const {
    std::size_t count = 0;
    for (const auto& [id, one] : attempts_) count += shards.test(track::shard_of(one.head)) && has_begun(id, one);
    return count;
}

bool delivery_attempts::has_begun(delivery_id id, const delivery_attempt& one) const {
    const track::delivery_phase phase = context_.lanes.at(one.lane).lane.phase_of(id);
    return phase == track::delivery_phase::attempting || phase == track::delivery_phase::recording;
}

void delivery_attempts::prepare_retry(delivery_id id) {
    const auto busy = attempts_.find(id);
    if (busy == attempts_.end()) return;
    track::delivery_lane& lane = slot_of(busy->second).lane;
    lane.restart(id);
    // Of a paused callback the store will mostly refuse the retry, unless a resume is on its way.
    if (!lane.paused() && take_from_unrecorded(id)) record(busy->second);
}

void delivery_attempts::cancel_retry(delivery_id id) {
    const auto busy = attempts_.find(id);
    if (busy != attempts_.end()) slot_of(busy->second).lane.cancel_restart(id);
}

void delivery_attempts::drop_unrecorded(delivery_id id, instant now) {
    if (take_from_unrecorded(id)) release(id, now);
}

void delivery_attempts::on_retried_elsewhere(delivery_id id, instant now) {
    const auto busy = attempts_.find(id);
    if (busy == attempts_.end()) return;
    delivery_attempt& one = busy->second;
    delivery_slot& slot = slot_of(one);
    slot.read_again();
    slot.lane.restart(id);
    const track::delivery_phase phase = slot.lane.phase_of(id);
    if (phase == track::delivery_phase::loading) one.is_outdated = true;
    if (phase != track::delivery_phase::recording) return;
    if (take_from_unrecorded(id)) {
        release(id, now);
    } else {
        one.is_retried = true;
    }
}

void delivery_attempts::repeat_retry(delivery_slot& slot, delivery_id id, instant now) {
    context_.deps.storage.retry_delivery(id, now.wall, [this](const op_result<store::delivery_head>& head) {
        const instant at = host_.enter();
        if (!head) {
            host_.on_store_error(head.error(), at);
        } else if (!head->waits) {
            host_.take_in(*head, at);
        }
        host_.leave();
    });
    slot.read_again(); // behind it, whatever becomes of it
}

bool delivery_attempts::take_from_unrecorded(delivery_id id) {
    const auto found = std::find(unrecorded_.begin(), unrecorded_.end(), id);
    if (found == unrecorded_.end()) return false;
    unrecorded_.erase(found);
    return true;
}

// ---- the end of an attempt that leaves nothing behind

void delivery_attempts::abandon_ready(delivery_slot& slot) {
    while (const auto id = slot.lane.first_ready()) drop(*id);
}

void delivery_attempts::put_back_ready(delivery_slot& slot, instant now) {
    while (const auto id = slot.lane.first_ready())
        put_back(*id, std::min(attempts_.at(*id).head.next_attempt_at, now.wall));
}

void delivery_attempts::put_back_replayed(instant now) {
    std::vector<delivery_id> ready;
    for (auto& [id, one] : attempts_) {
        if (one.head.kind != track::delivery_kind::replayed) continue;
        const track::delivery_phase phase = slot_of(one).lane.phase_of(id);
        if (phase == track::delivery_phase::loading) one.is_outdated = true;
        if (phase == track::delivery_phase::ready) ready.push_back(id);
    }
    for (const delivery_id id : ready) put_back(id, std::min(attempts_.at(id).head.next_attempt_at, now.wall));
}

void delivery_attempts::drop_let_go() {
    std::vector<delivery_id> ready;
    for (auto& [id, one] : attempts_) {
        if (context_.holds(one.head)) continue;
        one.is_outdated = true; // it may be held again when it is loaded or has ended
        if (slot_of(one).lane.phase_of(id) == track::delivery_phase::ready) ready.push_back(id);
    }
    for (const delivery_id id : ready) drop(id);
}

/// It counts among those of callback_urls until its attempt has ended.
void delivery_attempts::uncount(const delivery_slot& slot, delivery_id id) {
    if (slot.is_url && slot.lane.phase_of(id) != track::delivery_phase::recording) context_.url_attempts.give_back();
}

void delivery_attempts::put_back(delivery_id id, wall_time due) {
    delivery_slot& slot = slot_of(attempts_.at(id));
    uncount(slot, id);
    slot.lane.put_back(id, due);
    attempts_.erase(id);
}

void delivery_attempts::drop(delivery_id id) {
    delivery_slot& slot = slot_of(attempts_.at(id));
    uncount(slot, id);
    slot.lane.forget(id);
    attempts_.erase(id);
}

void delivery_attempts::release(delivery_id id, instant now) {
    delivery_slot& slot = slot_of(attempts_.at(id));
    drop(id);
    host_.feed(slot, now);
}

} // namespace prooftrack::engine
