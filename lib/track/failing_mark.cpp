#include "track/failing_mark.hpp"

#include "base/expects.hpp"

namespace prooftrack::track {

bool failing_mark::take_over() {
    if (state_ != state::unknown) return false;
    state_ = state::saved;
    return true;
}

bool failing_mark::begin() {
    if (is_writing()) {
        state_ = state::outdated;
        return false;
    }
    state_ = state::saving;
    return true;
}

bool failing_mark::end(mark_result how) {
    expects(is_writing(), "failing_mark: a write ended that was not begun");
    const bool outdated = state_ == state::outdated;
    state_ = outdated || how == mark_result::refused ? state::unsaved : state::saved;
    return outdated && how == mark_result::saved;
}

} // namespace prooftrack::track
