#include "track/http2_trust.hpp"

#include <algorithm>

namespace prooftrack::track {

void http2_trust::note(bool good, steady_time now) {
    if (good) {
        failures_ = 0;
        worked_at_ = now;
    } else if (++failures_ >= most_failures) {
        failures_ = 0;
        forbidden_until_ = std::max(forbidden_until_, now + pause);
    }
}

} // namespace prooftrack::track
