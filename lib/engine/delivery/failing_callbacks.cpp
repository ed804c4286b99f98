#include "engine/delivery/failing_callbacks.hpp"

#include <utility>
#include <vector>

#include "engine/delivery/delivery_log.hpp"
#include "track/delivery_policy.hpp"

namespace prooftrack::engine {
namespace {

template <class T>
std::optional<op_error> error_of(const op_result<T>& answer) {
    return answer ? std::nullopt : std::optional(answer.error());
}

/// Whether the log says again and again that it fails: not of one that is not tried at all.
bool is_told(const delivery_slot& slot) {
    return slot.lane.health().failing() && slot.lane.configured() && !slot.lane.paused();
}

} // namespace

void failing_callbacks::take_over(delivery_slot& slot, const store::lane_summary& summary, instant now) {
    if (!slot.mark.take_over() || !summary.failing_since) return;
    slot.lane.health().resume_failing(*summary.failing_since, now.steady);
    slot.failing_from = *summary.failing_since;
    if (!slot.lane.configured()) return;
    slot.next_failing_log = now.steady + failing_log_interval;
    log_failing(context_.deps.log, slot);
}

void failing_callbacks::on_health(delivery_slot& slot, track::delivery_health::change change, instant now) {
    switch (change) {
    case track::delivery_health::change::none:
        return;
    case track::delivery_health::change::turned_failing:
        slot.failing_from = slot.lane.health().failing_since().value_or(now.wall);
        slot.next_failing_log = now.steady + failing_log_interval;
        log_failing(context_.deps.log, slot);
        break;
    case track::delivery_health::change::recovered:
        log_recovered(context_.deps.log, slot);
        break;
    }
    save(slot);
}

void failing_callbacks::save_refused() {
    for (const auto& [name, slot] : context_.lanes.slots()) {
        if (slot->mark.is_unsaved()) save(*slot);
    }
}

void failing_callbacks::log_if_due(delivery_slot& slot, instant now) {
    if (!is_told(slot) || slot.next_failing_log > now.steady) return;
    if (slot.is_url && slot.lane.idle()) return; // the lane is retired instead
    slot.next_failing_log = now.steady + failing_log_interval;
    log_failing(context_.deps.log, slot);
}

std::optional<steady_time> failing_callbacks::next_log(const delivery_slot& slot) const {
    if (!context_.stop.is_running() || !is_told(slot)) return std::nullopt;
    return slot.next_failing_log;
}

bool failing_callbacks::is_remembered(const delivery_slot& slot, steady_time now) const {
    return slot.lane.health().failing() && now < slot.next_failing_log;
}

void failing_callbacks::forget(const delivery_slot& slot) {
    if (!slot.lane.health().failing() || !context_.stop.is_running() || context_.pressure.is_halted()) return;
    context_.deps.storage.set_failing(slot.name, std::nullopt, [](const op_result<std::monostate>&) {});
}

void failing_callbacks::save(delivery_slot& slot) {
    if (!slot.mark.begin()) return;
    const auto since = slot.lane.health().failing_since();
    if (!since) {
        save_recovery(slot);
        return;
    }
    context_.deps.storage.set_failing(
        slot.name, since,
        [this, lane = slot.number](const op_result<std::monostate>& saved) { on_saved(lane, saved); });
}

void failing_callbacks::save_recovery(delivery_slot& slot) {
    const track::recovery_rule rule = slot.lane.begin_recovery(slot.failing_from, context_.deps.clock.now().wall);
    const auto is_freed = [rule](const track::waiting_delivery& one) { return rule.ends(one); };
    context_.deps.storage.end_failing(
        slot.name, {rule.now, is_freed},
        [this, lane = slot.number](const op_result<std::uint64_t>& freed) { on_recovery_saved(lane, freed); });
}

void failing_callbacks::on_saved(track::lane_number lane, const op_result<std::monostate>& saved) {
    const instant now = host_.enter();
    delivery_slot& slot = context_.lanes.at(lane);
    end_write(slot, error_of(saved), now);
    host_.retire_if_idle(slot);
    host_.leave();
}

void failing_callbacks::on_recovery_saved(track::lane_number lane, const op_result<std::uint64_t>& freed) {
    const instant now = host_.enter();
    delivery_slot& slot = context_.lanes.at(lane);
    slot.lane.end_recovery();
    end_write(slot, error_of(freed), now);
    if (!freed || *freed > 0) {
        // What had failed goes with the recovery: the store has new times for it (for a part of it after an error).
        slot.lane.invalidate();
        host_.feed(slot, now);
    } else {
        host_.retire_if_idle(slot);
    }
    host_.leave();
}

void failing_callbacks::end_write(delivery_slot& slot, const std::optional<op_error>& error, instant now) {
    if (slot.mark.end(error ? result_of(*error, now) : track::mark_result::saved)) save(slot);
}

track::mark_result failing_callbacks::result_of(const op_error& error, instant now) {
    if (store::is_passing(error) && context_.stop.is_running()) {
        host_.on_write_refused(now);
        return track::mark_result::refused;
    }
    host_.on_store_error(error, now);
    return track::mark_result::failed;
}

} // namespace prooftrack::engine
