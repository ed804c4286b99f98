#pragma once

// Steps from older schemas to the newest: forward only, all in one transaction, with a copy of the file before.

#include <filesystem>
#include <span>
#include <string>

#include "store/connection.hpp"

namespace prooftrack::store {

/// Brings a database from version `from` to `from` + 1.
struct migration {
    std::int64_t from = 0;
    const char* sql = "";
    void (*fill)(db_connection&) = nullptr; ///< what SQL alone cannot do: runs behind `sql`
};

/// The steps of this program, in order; the last one leads to schema_version.
std::span<const migration> known_migrations();

/// Copies the file to `PATH.v<N>.bak` (0600, marked as a copy: going back to it means a new log), then runs the
/// steps from version N to `target`. Does nothing when N is `target`. Throws store_start_error(75) when there is no
/// room for the copy, and sqlite_error; nothing is changed then.
void migrate(
    db_connection& db, const std::filesystem::path& database, const std::string& vfs, std::span<const migration> steps,
    std::int64_t target, const std::string& copy_log_id);

} // namespace prooftrack::store
