#include "prooftrackd/file_watch.hpp"

namespace prooftrack::daemon {

bool file_watch::is_due() {
    if (path_.empty()) return false;
    const auto now = config::stamp_file(path_);
    if (now != seen_) {
        seen_ = now;
        failure_.reset();
        return true;
    }
    return failure_.has_value();
}

bool file_watch::on_failed(std::string_view why) {
    const bool is_news = failure_ != why;
    failure_ = why;
    return is_news;
}

} // namespace prooftrack::daemon
