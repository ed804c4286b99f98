#include "engine/delivery/lane_feeder.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace prooftrack::engine {

void lane_feeder::feed(delivery_slot& slot, instant now) {
    do {
        with_.attempts.begin_ready(slot, now);
        ask_refill(slot);
    } while (take_one(slot, now));
    arm(slot, now);
    with_.keeper.retire_if_idle(slot);
}

/// Takes the next delivery that may go, if there is one and the limits allow it.
bool lane_feeder::take_one(delivery_slot& slot, instant now) {
    if (!context_.may_start()) return false;
    if (slot.is_url && !context_.url_attempts.has_room()) {
        context_.url_attempts.wait(slot.number);
        return false;
    }
    const auto head = slot.lane.take(now);
    if (!head) return false;
    with_.attempts.load(slot, *head, now);
    return true;
}

void lane_feeder::feed_all(instant now) {
    for (const track::lane_number number : context_.lanes.numbers()) {
        if (delivery_slot* const slot = context_.lanes.find(number)) feed(*slot, now);
    }
}

void lane_feeder::feed_waiting(instant now) {
    while (const auto next = context_.url_attempts.next()) feed(context_.lanes.at(*next), now);
}

void lane_feeder::arm(delivery_slot& slot, instant now) {
    std::optional<steady_time> wake = with_.failing.next_log(slot);
    if (context_.may_start() && !context_.url_attempts.waits(slot.number)) {
        const auto next = slot.lane.next_wake(now);
        if (next) wake = std::min(wake.value_or(*next), *next);
    }
    context_.lanes.arm(slot, wake);
}

void lane_feeder::arm_all(instant now) {
    for (const auto& [name, slot] : context_.lanes.slots()) arm(*slot, now);
}

void lane_feeder::allow_refills() {
    for (const auto& [name, slot] : context_.lanes.slots()) {
        if (slot->refill == delivery_slot::refill_state::refused) slot->refill = delivery_slot::refill_state::idle;
    }
}

void lane_feeder::ask_refill(delivery_slot& slot) {
    const bool may_ask = context_.stop.is_running() && !context_.pressure.is_halted();
    if (!may_ask || slot.refill != delivery_slot::refill_state::idle || !slot.lane.wants_refill()) return;
    slot.refill = delivery_slot::refill_state::asked;
    slot.is_read_outdated = false;
    const std::size_t asked = slot.lane.refill_size();
    context_.deps.storage.next_heads(
        slot.name, asked, [this, lane = slot.number, asked](const op_result<std::vector<store::delivery_head>>& heads) {
            on_heads(lane, asked, heads);
        });
}

void lane_feeder::on_heads(
    track::lane_number lane, std::size_t asked, const op_result<std::vector<store::delivery_head>>& heads) {
    const instant now = with_.host.enter();
    delivery_slot& slot = context_.lanes.at(lane);
    if (heads) {
        take_heads(slot, asked, *heads, now);
        feed(slot, now);
    } else {
        slot.refill = delivery_slot::refill_state::refused;
        with_.host.on_store_error(heads.error(), now);
    }
    with_.host.leave();
}

void lane_feeder::take_heads(
    delivery_slot& slot, std::size_t asked, const std::vector<store::delivery_head>& heads, instant now) {
    slot.refill = delivery_slot::refill_state::idle;
    std::vector<track::lane_head> first;
    first.reserve(heads.size());
    for (const store::delivery_head& head : heads) first.push_back(lane_head_of(head));
    slot.lane.refill(first, asked, now.wall);
    const bool all_are_held =
        std::all_of(first.begin(), first.end(), [this](const track::lane_head& head) { return context_.holds(head); });
    if (!all_are_held) slot.lane.keep(context_.shards);
    if (std::exchange(slot.is_read_outdated, false)) {
        slot.lane.invalidate();
    } else if (!all_are_held && slot.lane.wants_refill()) {
        // Of shards that the store gives out and that are not held here yet: another read would bring the same ones.
        slot.refill = delivery_slot::refill_state::refused;
        context_.pressure.fail(now.steady);
    }
}

} // namespace prooftrack::engine
