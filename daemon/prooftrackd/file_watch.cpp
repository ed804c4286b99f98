#include "prooftrackd/file_watch.hpp"

namespace prooftrack::daemon {

bool file_watch::has_changed() {
    if (path_.empty()) return false;
    const auto now = config::stamp_file(path_);
    if (now == seen_) return false;
    seen_ = now;
    return true;
}

} // namespace prooftrack::daemon
