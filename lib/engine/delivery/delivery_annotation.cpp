#include "engine/delivery/delivery_annotation.hpp"

#include <algorithm>
#include <vector>

#include "track/delivery_policy.hpp"

namespace prooftrack::engine {
namespace {

bool is_failing(const delivery_slot& slot) { return slot.lane.configured() && slot.lane.health().failing(); }

/// Its callback fails and is tried with another delivery.
bool waits_for_recovery(const lane_table::slots_by_name& slots, const track::delivery_view& due) {
    if (due.callback != own_url_callback) {
        const auto slot = slots.find(due.callback);
        return slot != slots.end() && is_failing(*slot->second) && !slot->second->lane.is_busy(due.id);
    }
    return std::any_of(slots.begin(), slots.end(), [&](const auto& named) {
        return named.second->is_url && is_failing(*named.second) && named.second->lane.due_of(due.id);
    });
}

/// When a delivery is looked at whose recorded time makes no sense beside the present clock.
wall_time real_due(
    const delivery_context& context, const track::delivery_view& view, const std::vector<milliseconds>& schedule,
    wall_time now) {
    wall_time due = track::look_at(*view.next_attempt_at, view.attempts, schedule, now);
    for (const auto& [name, slot] : context.lanes.slots()) {
        if (slot->shown_name() != view.callback) continue;
        due = std::min(due, slot->lane.due_of(view.id).value_or(due));
    }
    return due;
}

} // namespace

void annotate_delivery(const delivery_context& context, track::delivery_view& view) {
    if (view.state != track::delivery_state::pending) return;
    if (!context.table.is_configured(view.callback)) {
        view.last_error = "callback not configured";
        view.next_attempt_at.reset();
        return;
    }
    if (context.pauses.contains(view.callback)) {
        view.last_error = "callback paused";
        view.next_attempt_at.reset();
        return;
    }
    if (!view.next_attempt_at) return;
    const wall_time now = context.deps.clock.now().wall;
    if (*view.next_attempt_at <= now && waits_for_recovery(context.lanes.slots(), view)) {
        view.next_attempt_at.reset();
        return;
    }
    const auto settings = context.table.settings_for(view.callback);
    const std::vector<milliseconds> schedule =
        settings ? settings->retry_schedule : config::callback_config{}.retry_schedule;
    if (!is_explained(view, schedule, now)) view.next_attempt_at = real_due(context, view, schedule, now);
}

} // namespace prooftrack::engine
