#pragma once

// The one connection. Used by one thread at a time.

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

/// Owns an sqlite3 handle and the statements prepared on it.
class db_connection {
  public:
    /// Opens or creates; extended result codes, DEFENSIVE, no double-quoted strings. Touches no page yet. Throws
    /// sqlite_error.
    db_connection(const std::filesystem::path& path, const std::string& vfs);
    db_connection(const db_connection&) = delete;
    db_connection& operator=(const db_connection&) = delete;
    ~db_connection();

    sqlite3* handle() { return handle_; }

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
    std::int64_t changes() { return sqlite3_changes64(handle_); }

    /// After an fsync error nothing may be written any more, not even by closing.
    void forbid_checkpoint_on_close();
    /// Closes cleanly, which folds the WAL in and removes it. Throws sqlite_error; the handle is gone either way.
    void close();

  private:
    sqlite3* handle_ = nullptr;
    std::unordered_map<const char*, std::unique_ptr<statement>> prepared_;
};

} // namespace prooftrack::store
