#include "prooftrackd/file_watch.hpp"

#include <utility>

#include <sys/stat.h>

namespace prooftrack {
namespace {

std::int64_t nanoseconds_of(const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; }

} // namespace

bool file_watch::take_look(look& into) const {
    struct stat found {};
    if (path_.empty() || ::stat(path_.c_str(), &found) != 0) return false;
    into =
        look{found.st_dev, found.st_ino, found.st_size, nanoseconds_of(found.st_mtim), nanoseconds_of(found.st_ctim)};
    return true;
}

void file_watch::reset(std::string path) {
    path_ = std::move(path);
    seen_ = look{};
    take_look(seen_);
}

bool file_watch::has_changed() {
    look now;
    if (!take_look(now) || now == seen_) return false;
    seen_ = now;
    return true;
}

} // namespace prooftrack
