#include "proof/repeat_queue.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace prooftrack::proof {

void repeat_queue::add(poll_in_flight request) {
    auto& queue = request.tries.repeats == track::most_repeats ? suspects_ : repeats_;
    const auto behind = std::find_if(queue.rbegin(), queue.rend(), [&](const poll_in_flight& each) {
        return each.tries.goaways >= request.tries.goaways;
    });
    queue.insert(behind.base(), std::move(request));
}

std::optional<poll_in_flight> repeat_queue::take(const track::repeats_together& others, bool is_new) {
    std::deque<poll_in_flight>* from = nullptr;
    if (others.takes_repeat() && !repeats_.empty() && (is_new || !needs_new_connection())) {
        from = &repeats_;
    } else if (others.takes_suspect() && !suspects_.empty()) {
        from = &suspects_;
    }
    if (from == nullptr) return std::nullopt;
    poll_in_flight request = std::move(from->front());
    from->pop_front();
    return request;
}

std::vector<poll_in_flight> repeat_queue::take_expired(steady_time now) {
    std::vector<poll_in_flight> late;
    for (std::deque<poll_in_flight>* queue : {&repeats_, &suspects_}) {
        const auto expired = std::stable_partition(
            queue->begin(), queue->end(), [&](const poll_in_flight& each) { return each.deadline > now; });
        std::move(expired, queue->end(), std::back_inserter(late));
        queue->erase(expired, queue->end());
    }
    return late;
}

bool repeat_queue::needs_new_connection() const {
    return !repeats_.empty() && track::needs_new_connection(repeats_.front().tries);
}

steady_time repeat_queue::next_deadline() const {
    steady_time earliest = steady_time::max();
    for (const std::deque<poll_in_flight>* queue : {&repeats_, &suspects_}) {
        for (const poll_in_flight& each : *queue) earliest = std::min(earliest, each.deadline);
    }
    return earliest;
}

} // namespace prooftrack::proof
