#include "track/shared_limit.hpp"

#include "base/expects.hpp"

namespace prooftrack::track {

void shared_limit::take() {
    expects(has_room(), "shared_limit: more was taken than there is");
    ++used_;
}

void shared_limit::give_back() {
    expects(used_ > 0, "shared_limit: more was given back than was taken");
    --used_;
}

void shared_limit::wait(lane_number lane) {
    if (waiting_.insert(lane).second) order_.push_back(lane);
}

std::optional<lane_number> shared_limit::next() {
    if (order_.empty() || !has_room()) return std::nullopt;
    const lane_number first = order_.front();
    order_.pop_front();
    waiting_.erase(first);
    return first;
}

} // namespace prooftrack::track
