#pragma once

// The start: from a path to an open, checked database, or to a message that says what to do.

#include <memory>

#include "store/database.hpp"
#include "store/lock_file.hpp"
#include "store/migrations.hpp"
#include "store/schema.hpp"

namespace prooftrack::store {

/// Opens the database whose lock is held: rewrites a marked one, creates a missing one, migrates an older one, checks
/// header, schema and counters, and writes once. Throws store_start_error: 65 when it is damaged, foreign or newer
/// (nothing is deleted), 75 when it may work later.
std::unique_ptr<database> open_database(
    const store_options& options, lock_file& lock, std::span<const migration> migrations = known_migrations(),
    std::int64_t newest = schema_version);

/// Whether header and version say that this program's newest schema, or an older one, is in it. Throws
/// store_start_error(65).
void require_ours(db_connection& db, const std::filesystem::path& path, std::int64_t newest = schema_version);
/// Whether a database of the newest schema is whole, as far as that can be told at once. Throws store_start_error(65).
void require_whole(db_connection& db, const std::filesystem::path& path);

} // namespace prooftrack::store
