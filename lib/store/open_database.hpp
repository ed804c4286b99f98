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

} // namespace prooftrack::store
