#include "track/delivery_queue.hpp"

#include <iterator>

#include "base/expects.hpp"

namespace prooftrack::track {

void delivery_queue::insert(const lane_head& head, wall_time due) {
    erase(head.id);
    if (!whole_ && key_of(head) >= edge_) return;
    entries_.emplace(head.id, waiting_head{head, due});
    by_key_.insert(key_of(head));
    due_places(head.kind).emplace(due, head.id);
    if (entries_.size() <= capacity_) return;
    edge_ = *std::prev(by_key_.end());
    whole_ = false;
    erase(edge_.second);
}

void delivery_queue::erase(delivery_id id) {
    const auto found = entries_.find(id);
    if (found == entries_.end()) return;
    by_key_.erase(key_of(found->second.head));
    due_places(found->second.head.kind).erase({found->second.due, id});
    entries_.erase(found);
}

void delivery_queue::invalidate() { stale_ = true; }

void delivery_queue::keep(const shard_set& held) {
    for (auto one = entries_.begin(); one != entries_.end();) {
        const lane_head head = (one++)->second.head;
        if (!held.test(shard_of(head))) erase(head.id);
    }
}

void delivery_queue::clear() {
    empty_memory();
    whole_ = false;
    edge_ = lowest;
}

std::optional<wall_time> delivery_queue::due_of(delivery_id id) const {
    const auto found = entries_.find(id);
    return found == entries_.end() ? std::nullopt : std::optional(found->second.due);
}

std::optional<wall_time> delivery_queue::first_due(delivery_kind kind) const {
    const std::set<key>& places = due_places(kind);
    return places.empty() ? std::nullopt : std::optional(places.begin()->first);
}

std::size_t delivery_queue::count_due(wall_time now, std::size_t most) const {
    std::size_t count = 0;
    for (const std::set<key>& places : by_due_) {
        for (auto place = places.begin(); place != places.end() && count < most && place->first <= now; ++place) {
            ++count;
        }
    }
    return count;
}

lane_head delivery_queue::pop(delivery_kind kind) {
    const std::set<key>& places = due_places(kind);
    expects(!places.empty(), "delivery_queue: nothing waits");
    const lane_head head = entries_.at(places.begin()->second).head;
    erase(head.id);
    return head;
}

void delivery_queue::empty_memory() {
    entries_.clear();
    by_key_.clear();
    for (auto& places : by_due_) places.clear();
}

/// Replayed ones that lie here must not keep the recorded ones behind the edge waiting. (Where they are most of what
/// lies here, another refill would bring the same ones.)
bool delivery_queue::is_low() const {
    const std::size_t few = capacity_ / 4;
    const std::size_t replayed = due_places(delivery_kind::replayed).size();
    return entries_.size() <= few || (entries_.size() - replayed <= few && replayed <= capacity_ / 8 * 5);
}

} // namespace prooftrack::track
