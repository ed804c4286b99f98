#include "track/busy_deliveries.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::track {

void busy_deliveries::take(const lane_head& head) {
    const bool is_new = held_.emplace(head.id, held_delivery{head}).second;
    expects(is_new, "busy_deliveries: a busy delivery was taken again");
    kind_counts& of_kind = counts(head.kind);
    ++of_kind.all;
    ++of_kind.loading;
}

void busy_deliveries::loaded(delivery_id id) {
    held_delivery& one = at(id, delivery_phase::loading);
    one.where = delivery_phase::ready;
    kind_counts& of_kind = counts(one.head.kind);
    --of_kind.loading;
    of_kind.ready.push_back(id);
}

void busy_deliveries::begin(delivery_id id) {
    held_delivery& one = at(id, delivery_phase::ready);
    kind_counts& of_kind = counts(one.head.kind);
    expects(of_kind.ready.front() == id, "busy_deliveries: a delivery was begun before its turn");
    one.where = delivery_phase::attempting;
    of_kind.ready.pop_front();
    ++of_kind.attempting;
}

void busy_deliveries::finish(delivery_id id) {
    held_delivery& one = at(id, delivery_phase::attempting);
    one.where = delivery_phase::recording;
    --counts(one.head.kind).attempting;
}

lane_head busy_deliveries::remove(delivery_id id) {
    const held_delivery one = at(id);
    leave(one);
    held_.erase(id);
    return one.head;
}

void busy_deliveries::restart(delivery_id id) {
    const auto found = held_.find(id);
    if (found != held_.end() && found->second.where != delivery_phase::recording) found->second.restarted = true;
}

void busy_deliveries::cancel_restart(delivery_id id) {
    const auto found = held_.find(id);
    if (found != held_.end() && found->second.where != delivery_phase::recording) found->second.restarted = false;
}

std::optional<delivery_id> busy_deliveries::first_ready() const {
    for (const kind_counts& of_kind : by_kind_) {
        if (!of_kind.ready.empty()) return of_kind.ready.front();
    }
    return std::nullopt;
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

void busy_deliveries::leave(const held_delivery& one) {
    kind_counts& of_kind = counts(one.head.kind);
    --of_kind.all;
    switch (one.where) {
    case delivery_phase::loading:
        --of_kind.loading;
        break;
    case delivery_phase::ready:
        of_kind.ready.erase(std::find(of_kind.ready.begin(), of_kind.ready.end(), one.head.id));
        break;
    case delivery_phase::attempting:
        --of_kind.attempting;
        break;
    case delivery_phase::recording:
        break;
    }
}

} // namespace prooftrack::track
