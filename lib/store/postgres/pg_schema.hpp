#pragma once

// The tables in PostgreSQL: those of SQLite's schema with PostgreSQL's types, and one more that says whose they are.

#include <cstdint>
#include <string>

#include "store/connection.hpp"

namespace prooftrack::store {

/// `prooftrackd.schema_version` that this program reads and writes. It counts by itself, apart from SQLite's.
inline constexpr std::int64_t pg_schema_version = 2;

/// Everything in an empty schema, in one text of statements. Rows of `counters` and `prooftrackd` are not in it.
std::string pg_schema_sql();

/// Whether the session's schema is prooftrackd's, of whichever version.
bool has_our_tables(db_connection& db);
/// Whether it holds nothing at all: it may be another program's.
bool is_schema_empty(db_connection& db);

/// From version 1, whose one daemon owned the whole database, to this one.
std::string pg_upgrade_from_1_sql();

} // namespace prooftrack::store
