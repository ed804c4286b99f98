#pragma once

// The tables of the newest schema and the marks by which a database is known as ours.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "store/connection.hpp"

namespace prooftrack::store {

/// `PRAGMA application_id` of our databases: "PrTk".
inline constexpr std::int64_t application_id = 0x5072546B;
/// `PRAGMA user_version` that this program reads and writes.
inline constexpr std::int64_t schema_version = 5;

/// Everything in an empty database, in one text of statements. Does not set the marks.
std::string schema_sql();
/// The views alone, which schema 2 brought: readable ids, states and times for people with the sqlite3 program.
std::string views_sql();
/// The view of deliveries, which schema 5 made anew.
const char* delivery_view_sql();

/// Makes the tables, the marks and the counters in an empty database, in one transaction. `log_id` is the new log's
/// name.
void create_schema(db_connection& db, const std::string& log_id);

/// The names of tables, indexes and views, sorted: what a whole database has.
std::vector<std::string> schema_names(db_connection& db);
/// The same of the newest schema, made in memory.
const std::vector<std::string>& expected_schema_names();

} // namespace prooftrack::store
