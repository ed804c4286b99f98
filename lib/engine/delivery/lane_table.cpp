#include "engine/delivery/lane_table.hpp"

#include "base/expects.hpp"

namespace prooftrack::engine {

delivery_slot* lane_table::find(std::string_view lane) {
    const auto found = by_name_.find(lane);
    return found == by_name_.end() ? nullptr : found->second.get();
}

delivery_slot* lane_table::find(track::lane_number number) {
    const auto found = by_number_.find(number);
    return found == by_number_.end() ? nullptr : found->second;
}

delivery_slot& lane_table::at(track::lane_number number) {
    delivery_slot* const found = find(number);
    expects(found != nullptr, "lane_table: a lane has gone that something is still under way for");
    return *found;
}

delivery_slot& lane_table::make(
    const std::string& lane, track::stored_heads stored, std::optional<track::lane_settings> settings) {
    const bool is_url = is_own_url_lane(lane);
    expects(!is_url || has_url_room(), "lane_table: more lanes of callback_urls than there may be");
    const std::size_t capacity = is_url ? url_lane_capacity : track::lane_capacity;
    auto made = std::make_unique<delivery_slot>(
        lane, track::lane_number{++last_number_}, track::delivery_lane(capacity, stored, std::move(settings)));
    const auto [place, is_new] = by_name_.emplace(lane, std::move(made));
    expects(is_new, "lane_table: a second lane of one name");
    delivery_slot& slot = *place->second;
    by_number_.emplace(slot.number, &slot);
    if (is_url) ++url_lanes_;
    return slot;
}

void lane_table::erase(const delivery_slot& slot) {
    const auto found = by_number_.find(slot.number);
    expects(found != by_number_.end() && found->second == &slot, "lane_table: a lane of another table");
    by_number_.erase(found);
    if (slot.wake) wakes_.erase({*slot.wake, slot.number});
    if (slot.is_url) --url_lanes_;
    by_name_.erase(by_name_.find(slot.name));
}

void lane_table::arm(delivery_slot& slot, std::optional<steady_time> wake) {
    if (wake == slot.wake) return;
    if (slot.wake) wakes_.erase({*slot.wake, slot.number});
    if (wake) wakes_.emplace(*wake, slot.number);
    slot.wake = wake;
}

void lane_table::disarm_all() {
    for (const auto& [name, slot] : by_name_) slot->wake.reset();
    wakes_.clear();
}

std::optional<steady_time> lane_table::next_wake() const {
    return wakes_.empty() ? std::nullopt : std::optional(wakes_.begin()->first);
}

std::vector<track::lane_number> lane_table::due(steady_time now) const {
    std::vector<track::lane_number> due;
    for (const auto& [when, number] : wakes_) {
        if (when > now) break;
        due.push_back(number);
    }
    return due;
}

std::vector<track::lane_number> lane_table::numbers() const {
    std::vector<track::lane_number> all;
    all.reserve(by_name_.size());
    for (const auto& [name, slot] : by_name_) all.push_back(slot->number);
    return all;
}

} // namespace prooftrack::engine
