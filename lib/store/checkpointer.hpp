#pragma once

// Checkpoints of our own: in the store's thread, between commits, with a small WAL.

#include <chrono>
#include <cstdint>
#include <optional>

#include "store/connection.hpp"

namespace prooftrack::store {

/// Folds the WAL into the database when it holds over 4 MiB, or after 30 s without a commit. Needs a live connection.
class checkpointer {
  public:
    using clock = std::chrono::steady_clock;

    checkpointer() = default;
    checkpointer(const checkpointer&) = delete;
    checkpointer& operator=(const checkpointer&) = delete;

    /// `this` is known to SQLite afterwards: it must outlive the connection.
    void watch(db_connection& db);

    /// Whether it is time for `run`.
    bool is_due(clock::time_point now) const;
    /// Checkpoints. A full disk is no error: the WAL keeps everything, it is tried again later. Throws sqlite_error.
    void run(db_connection& db, clock::time_point now);
    /// At once; true when the whole WAL is folded in.
    static bool fold(db_connection& db) noexcept;
    /// When it will be time although nothing happens; nullopt when the WAL is folded in.
    std::optional<clock::time_point> next_due() const;
    /// How many commits have written to the WAL so far: one of a transaction that changed nothing does not.
    std::uint64_t written_commits() const { return written_commits_; }

  private:
    static int on_commit(void* self, sqlite3* db, const char* name, int frames);

    std::uint64_t written_commits_ = 0;
    int frames_ = 0; ///< in the WAL since the last whole checkpoint
    clock::time_point last_commit_{};
    clock::time_point not_before_{};
};

} // namespace prooftrack::store
