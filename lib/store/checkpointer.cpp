#include "store/checkpointer.hpp"

#include <algorithm>

namespace prooftrack::store {
namespace {

constexpr int most_frames = 1024; // of 4 KiB
constexpr std::chrono::seconds idle_time{30};
constexpr std::chrono::seconds retry_time{1};

} // namespace

void checkpointer::watch(db_connection& db) {
    sqlite3_wal_hook(db.handle(), &checkpointer::on_commit, this);
    frames_ = 1; // whatever an earlier run left
    last_commit_ = clock::now();
}

int checkpointer::on_commit(void* self, sqlite3*, const char*, int frames) {
    auto& watched = *static_cast<checkpointer*>(self);
    watched.frames_ = frames;
    ++watched.written_commits_;
    watched.last_commit_ = clock::now();
    return SQLITE_OK;
}

bool checkpointer::is_due(clock::time_point now) const {
    const auto due = next_due();
    return now >= not_before_ && (frames_ > most_frames || (due && now >= *due));
}

void checkpointer::run(db_connection& db, clock::time_point now) {
    int in_log = 0;
    int folded = 0;
    const int code = sqlite3_wal_checkpoint_v2(db.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &folded);
    if (code == SQLITE_OK && in_log == folded) {
        frames_ = 0;
        return;
    }
    not_before_ = now + retry_time;
    if (code == SQLITE_OK) return;
    const sqlite_error error(db.handle(), code);
    if (error.reach() == failure_reach::store) throw error;
}

bool checkpointer::fold(db_connection& db) noexcept {
    int in_log = 0;
    int folded = 0;
    return sqlite3_wal_checkpoint_v2(db.handle(), "main", SQLITE_CHECKPOINT_PASSIVE, &in_log, &folded) == SQLITE_OK &&
           in_log == folded;
}

std::optional<checkpointer::clock::time_point> checkpointer::next_due() const {
    if (frames_ == 0) return std::nullopt;
    return std::max(last_commit_ + idle_time, not_before_);
}

} // namespace prooftrack::store
