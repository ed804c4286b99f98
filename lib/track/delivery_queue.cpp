#include "track/delivery_queue.hpp"

#include <iterator>

#include "base/expects.hpp"

namespace prooftrack::track {

void delivery_queue::insert(const lane_head& head, wall_time due) {
    erase(head.id);
    if (!whole_ && key_of(head) >= edge_) return;
    entries_.emplace(head.id, waiting_head{head, due});
    by_key_.insert(key_of(head));
    by_due_.emplace(due, head.id);
    if (entries_.size() <= capacity_) return;
    edge_ = *std::prev(by_key_.end());
    whole_ = false;
    erase(edge_.second);
}

void delivery_queue::erase(delivery_id id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    by_key_.erase(key_of(found->second.head));
    by_due_.erase({found->second.due, id});
    entries_.erase(found);
}

void delivery_queue::invalidate() { stale_ = true; }

void delivery_queue::clear() {
    empty_memory();
    whole_ = false;
    edge_ = lowest;
}

std::optional<wall_time> delivery_queue::due_of(delivery_id id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? std::nullopt : std::optional(found->second.due);
}

std::optional<wall_time> delivery_queue::first_due() const {
    return by_due_.empty() ? std::nullopt : std::optional(by_due_.begin()->first);
}

std::size_t delivery_queue::count_due(wall_time now, std::size_t most) const {
    std::size_t count = 0;
    for (auto place = by_due_.begin(); place != by_due_.end() && count < most && place->first <= now; ++place) ++count;
    return count;
}

lane_head delivery_queue::pop() {
    expects(!by_due_.empty(), "delivery_queue: nothing waits");
    const lane_head head = entries_.at(by_due_.begin()->second).head;
    erase(head.id);
    return head;
}

void delivery_queue::empty_memory() {
    entries_.clear();
    by_key_.clear();
    by_due_.clear();
}

} // namespace prooftrack::track
