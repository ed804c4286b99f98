#include "engine/delivery/lane_keeper.hpp"

#include <algorithm>
#include <utility>

namespace prooftrack::engine {

delivery_slot* lane_keeper::open(const std::string& lane, track::stored_heads stored) {
    empty_.erase(lane);
    if (is_own_url_lane(lane) && !context_.lanes.has_url_room()) {
        erase_one_idle();
        if (!context_.lanes.has_url_room()) {
            some_left_out_ = true;
            return nullptr;
        }
    }
    delivery_slot& slot = context_.lanes.make(lane, stored, context_.table.settings_for(lane));
    if (context_.pauses.contains(callback_of_lane(lane))) slot.lane.pause();
    return &slot;
}

delivery_slot* lane_keeper::find_or_open(const std::string& lane) {
    delivery_slot* const found = context_.lanes.find(lane);
    if (found != nullptr) return found;
    // A lane that was left out before has deliveries in the store that are older than this one.
    const bool has_older = some_left_out_ || more_expected_;
    return open(lane, has_older ? track::stored_heads::possible : track::stored_heads::none);
}

void lane_keeper::retire_if_idle(delivery_slot& slot) {
    if (!is_unused(slot) || slot.mark.is_unsaved()) return;
    if (failing_.is_remembered(slot, context_.deps.clock.now().steady)) return;
    erase(slot);
    if (std::exchange(some_left_out_, false)) host_.on_lane_retired();
}

void lane_keeper::erase_one_idle() {
    const auto& slots = context_.lanes.slots();
    const auto found =
        std::find_if(slots.begin(), slots.end(), [this](const auto& one) { return is_unused(*one.second); });
    if (found != slots.end()) erase(*found->second);
}

bool lane_keeper::is_unused(const delivery_slot& slot) const {
    return slot.is_url && slot.lane.idle() && slot.refill != delivery_slot::refill_state::asked &&
           !context_.url_attempts.waits(slot.number) && !slot.mark.is_writing();
}

void lane_keeper::erase(const delivery_slot& slot) {
    failing_.forget(slot);
    if (!context_.shards.all()) {
        if (empty_.size() >= most_empty_lanes) empty_.clear();
        empty_.insert(slot.name);
    }
    context_.lanes.erase(slot);
}

} // namespace prooftrack::engine
