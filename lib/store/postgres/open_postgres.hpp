#pragma once

// The start: from a URL to an open, checked database that this daemon owns, or to a message that says what to do.

#include <memory>

#include "store/postgres/pg_ownership.hpp"

namespace prooftrack::store {

struct opened_postgres {
    std::unique_ptr<database> db;
    pg_ownership own;
};

/// Connects, looks at the server and at what is in between, takes the lock, creates the schema in an empty database,
/// takes over, and writes once. Throws store_start_error(75).
opened_postgres open_postgres(const postgres_options& options, const pg_target& target);

/// A read-only connection for one consistent state of the database, taken now. `ended` as pg_link::end_when. Throws
/// postgres_error.
std::unique_ptr<pg_link> open_snapshot(const pg_target& target, const secret& password, const std::atomic<bool>& ended);

} // namespace prooftrack::store
