#include "prooftrackd/file_watch.hpp"

namespace prooftrack {

bool file_watch::has_changed() {
    if (path_.empty()) return false;
    const auto now = stamp_file(path_);
    if (now == seen_) return false;
    seen_ = now;
    return true;
}

} // namespace prooftrack
