#include "prooftrackctl/bridge/retry_pause.hpp"

#include <algorithm>

namespace prooftrack::ctl {

milliseconds retry_pause::next() {
    const milliseconds pause(random_.between(span_.count() / 2, span_.count()));
    span_ = std::min(span_ * 2, longest);
    return pause;
}

} // namespace prooftrack::ctl
