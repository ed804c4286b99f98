#pragma once

// Copies of the database: for a backup (in steps, while the store works) and before a migration.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "store/connection.hpp"

namespace prooftrack::store {

/// Copies page by page through SQLite's backup interface, from the connection that also writes: what it writes
/// meanwhile goes into the copy too, so that the copy is the database as it is at the last step. A copy that is not
/// finished is removed.
class database_copy {
  public:
    /// Makes the file `to` (0600), which must not be there. `from` must outlive the last step. Throws sqlite_error.
    database_copy(db_connection& from, std::filesystem::path to, const std::string& vfs);
    database_copy(const database_copy&) = delete;
    database_copy& operator=(const database_copy&) = delete;
    ~database_copy();

    /// Copies for about `budget`; true when everything is copied. Must not run inside a transaction. Throws
    /// sqlite_error.
    bool step(std::chrono::milliseconds budget);

    /// After the last step, on any thread, once: gives the copy a log_id that says that it is one, makes it one plain
    /// file without a WAL, checks and syncs it. Returns its size in bytes. Throws sqlite_error.
    std::uint64_t finish(const std::string& log_id);

    /// In place of `finish`: the copy as a connection to a file without a name, for reading. Throws sqlite_error.
    std::unique_ptr<db_connection> take();

    /// From any thread: makes a `finish` that runs throw soon.
    void cancel() { is_cancelled_.store(true); }

    const std::filesystem::path& path() const { return path_; }

  private:
    void leave_wal_mode();

    std::filesystem::path path_;
    db_connection& from_;
    std::unique_ptr<db_connection> to_;
    sqlite3_backup* backup_ = nullptr;
    int descriptor_ = -1; ///< of the copy, beside SQLite's own
    int steps_ = 0;
    bool is_finished_ = false;
    std::atomic<bool> is_cancelled_{false};
};

/// Differs between runs that were given the same seed: a log_id distinguishes a restored log from the one before.
std::uint64_t mix_seed(std::uint64_t seed);
/// A name for a log: 16 hex digits.
std::string make_log_id(std::uint64_t random);

/// At each start: a copy goes on as a log of its own, `log_id`, however often the same copy is restored. Does nothing
/// with any other database. Throws sqlite_error.
void begin_own_log(db_connection& db, const std::string& log_id);

/// Removes what a crash left of copies and rewrites: `PATH.backup-*`, `PATH.rewrite`, `PATH.v*.bak.part`.
void remove_unfinished_copies(const std::filesystem::path& database);

} // namespace prooftrack::store
