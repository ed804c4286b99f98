#pragma once

// The mark in a database of SQLite whose data went to PostgreSQL: no daemon starts on it, this one or an older one,
// since its schema has a number that none knows.

#include <optional>
#include <string>

#include "store/connection.hpp"

namespace prooftrack::store {

/// Where the data went, for people; nullopt without a mark. Throws sqlite_error.
std::optional<std::string> where_moved(db_connection& db);

/// One transaction. Throws sqlite_error.
void mark_moved(db_connection& db, const std::string& place);
/// As it was before the mark, but for the name of its log: `log_id`, as with a backup that is restored. Throws
/// sqlite_error.
void unmark_moved(db_connection& db, const std::string& log_id);

} // namespace prooftrack::store
