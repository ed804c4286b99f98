#include "store/moved_mark.hpp"

#include <fmt/format.h>

namespace prooftrack::store {
namespace {

/// Added to the number of the schema.
constexpr std::int64_t moved = 1'000'000;

std::int64_t version_of(db_connection& db) { return db.ask_integer(R"sql(PRAGMA user_version)sql"); }

void set_version(db_connection& db, std::int64_t version) {
    db.execute(fmt::format(R"sql(PRAGMA user_version = {})sql", version));
}

} // namespace

std::optional<std::string> where_moved(db_connection& db) {
    if (version_of(db) <= moved) return std::nullopt;
    return db.ask_text(R"sql(SELECT place FROM moved_to)sql");
}

void mark_moved(db_connection& db, const std::string& place) {
    db.execute(R"sql(BEGIN IMMEDIATE)sql");
    db.execute(R"sql(CREATE TABLE moved_to (one INTEGER PRIMARY KEY CHECK (one = 1), place TEXT NOT NULL) STRICT)sql");
    {
        statement insert(db.handle(), R"sql(INSERT INTO moved_to VALUES (1, ?))sql");
        insert.execute(place);
    }
    set_version(db, version_of(db) + moved);
    db.execute(R"sql(COMMIT)sql");
}

void unmark_moved(db_connection& db, const std::string& log_id) {
    db.execute(R"sql(BEGIN IMMEDIATE)sql");
    db.execute(R"sql(DROP TABLE moved_to)sql");
    {
        statement rename_log(db.handle(), R"sql(UPDATE counters SET log_id = ? WHERE one = 1)sql");
        rename_log.execute(log_id);
    }
    set_version(db, version_of(db) - moved);
    db.execute(R"sql(COMMIT)sql");
}

} // namespace prooftrack::store
