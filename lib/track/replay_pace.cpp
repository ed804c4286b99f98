#include "track/replay_pace.hpp"

#include <algorithm>

#include "base/expects.hpp"

namespace prooftrack::track {

std::string_view to_string(replay_state state) {
    switch (state) {
    case replay_state::running:
        return "running";
    case replay_state::done:
        return "done";
    case replay_state::cancelled:
        return "cancelled";
    }
    return "";
}

milliseconds replay_pace::after(const replay_view& left) {
    expects(left.state == replay_state::running && left.query.before, "replay_pace: a replay that has ended");
    const bool has_moved = left.pending != last_pending_;
    last_pending_ = left.pending;
    if (left.next < *left.query.before && left.pending < few_pending_of_replay) {
        look_ = shortest_look;
        return between_steps;
    }
    look_ = has_moved ? shortest_look : std::min(look_ * 2, longest_look);
    return look_;
}

} // namespace prooftrack::track
