#include "track/busy_deliveries.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::track {

void busy_deliveries::take(const lane_head& head) {
    const bool is_new = held_.emplace(head.id, held_delivery{head}).second;
    expects(is_new, "busy_deliveries: a busy delivery was taken again");
    ++loading_;
}

void busy_deliveries::loaded(delivery_id id) {
    at(id, delivery_phase::loading).where = delivery_phase::ready;
    --loading_;
    ready_.push_back(id);
}

void busy_deliveries::begin(delivery_id id) {
    held_delivery& one = at(id, delivery_phase::ready);
    expects(ready_.front() == id, "busy_deliveries: a delivery was begun before its turn");
    one.where = delivery_phase::attempting;
    ready_.pop_front();
    ++attempting_;
}

void busy_deliveries::finish(delivery_id id) {
    at(id, delivery_phase::attempting).where = delivery_phase::recording;
    --attempting_;
}

lane_head busy_deliveries::remove(delivery_id id) {
    const held_delivery one = at(id);
    leave(id, one.where);
    held_.erase(id);
    return one.head;
}

void busy_deliveries::restart(delivery_id id) {
    const auto found = held_.find(id);
    if (found != held_.end() && found->second.where != delivery_phase::recording) found->second.restarted = true;
}

std::optional<delivery_id> busy_deliveries::first_ready() const {
    return ready_.empty() ? std::nullopt : std::optional(ready_.front());
}

const busy_deliveries::held_delivery& busy_deliveries::at(delivery_id id) const {
    const auto found = held_.find(id);
    expects(found != held_.end(), "busy_deliveries: a delivery that is not busy was asked for");
    return found->second;
}

busy_deliveries::held_delivery& busy_deliveries::at(delivery_id id, delivery_phase where) {
    const auto found = held_.find(id);
    expects(found != held_.end() && found->second.where == where, "busy_deliveries: a step was left out");
    return found->second;
}

void busy_deliveries::leave(delivery_id id, delivery_phase where) {
    switch (where) {
    case delivery_phase::loading:
        --loading_;
        break;
    case delivery_phase::ready:
        ready_.erase(std::find(ready_.begin(), ready_.end(), id));
        break;
    case delivery_phase::attempting:
        --attempting_;
        break;
    case delivery_phase::recording:
        break;
    }
}

} // namespace prooftrack::track
