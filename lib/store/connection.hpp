#pragma once

// The one connection, to either kind of database. Used by one thread at a time.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <sqlite3.h>

#include "store/sqlite_error.hpp"
#include "store/statement.hpp"

namespace prooftrack::store {

/// Owns an sqlite3 handle, or a link to PostgreSQL, and the statements prepared on it.
class db_connection {
  public:
    /// Opens or creates; extended result codes, DEFENSIVE, no double-quoted strings. Touches no page yet. Throws
    /// sqlite_error.
    db_connection(const std::filesystem::path& path, const std::string& vfs);
    explicit db_connection(std::unique_ptr<pg_link> link);
    db_connection(const db_connection&) = delete;
    db_connection& operator=(const db_connection&) = delete;
    ~db_connection();

    sqlite3* handle() { return handle_; } ///< nullptr with PostgreSQL
    bool is_remote() const { return handle_ == nullptr; }
    pg_link& link() { return *link_; } ///< only when it is remote

    /// Runs one or more statements without parameters. `sql` is a text of this program, never input.
    void execute(const std::string& sql);
    /// First column of the first row, "" without one.
    std::string ask_text(const std::string& sql);
    std::int64_t ask_integer(const std::string& sql);

    /// The statement of a literal: prepared at its first use, found by its address afterwards.
    statement& prepared(sql_literal sql);
    void forget_statements() { prepared_.clear(); }

    /// False once SQLite has rolled back by itself, which FULL, IOERR and NOMEM may do.
    bool in_transaction() { return sqlite3_get_autocommit(handle_) == 0; }
    /// Rows changed by the statement that ran last.
    std::int64_t changes() { return is_remote() ? remote_changes() : sqlite3_changes64(handle_); }
    /// What runs on another thread ends soon after the flag is set, with an error.
    void end_when(const std::atomic<bool>& flag);

    /// After an fsync error nothing may be written any more, not even by closing.
    void forbid_checkpoint_on_close();
    /// Closes cleanly, which folds the WAL in and removes it. Throws sqlite_error; the handle is gone either way.
    void close();

  private:
    std::int64_t remote_changes();

    sqlite3* handle_ = nullptr;
    std::unique_ptr<pg_link> link_; ///< outlives the statements
    std::unordered_map<const char*, std::unique_ptr<statement>> prepared_;
};

} // namespace prooftrack::store
