#include "store/migrations.hpp"

#include <array>

#include <fmt/format.h>

#include "store/copy_database.hpp"
#include "store/disk_space.hpp"
#include "store/schema.hpp"
#include "store/search_index.hpp"
#include "store/store.hpp"

namespace prooftrack::store {
namespace {

// Deliveries that are dismissed or a replay's, pauses, maintenance, replays. A CHECK cannot be changed in place: the
// table is written anew, and its view with it.
constexpr std::string_view controls_of_5 = R"sql(
DROP VIEW v_deliveries;
CREATE TABLE new_deliveries (
  id INTEGER PRIMARY KEY,
  event_seq INTEGER NOT NULL,
  transaction_row INTEGER NOT NULL REFERENCES transactions (row),
  lane INTEGER NOT NULL,
  state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 3),
  attempts INTEGER NOT NULL,
  last_attempt_at INTEGER,
  last_status INTEGER NOT NULL,
  next_attempt_at INTEGER,
  last_error TEXT,
  url TEXT,
  note TEXT,
  replay INTEGER
) STRICT;
INSERT INTO new_deliveries
SELECT *, NULL, NULL
FROM deliveries
ORDER BY id;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_of ON deliveries (transaction_row, id);
CREATE INDEX deliveries_due ON deliveries (lane, next_attempt_at, id)
WHERE state = 0 AND next_attempt_at IS NOT NULL;
CREATE INDEX deliveries_waiting ON deliveries (lane, transaction_row, id) WHERE state = 0;
CREATE INDEX deliveries_pending ON deliveries (lane, id) WHERE state = 0;
CREATE INDEX deliveries_dead ON deliveries (lane, id) WHERE state = 2;
CREATE INDEX deliveries_dismissed ON deliveries (lane, id) WHERE state = 3;
CREATE INDEX deliveries_given_up ON deliveries (lane, transaction_row) WHERE state >= 2;
CREATE INDEX deliveries_replayed ON deliveries (replay, id) WHERE state = 0 AND replay IS NOT NULL;
CREATE TABLE pauses (
  callback TEXT PRIMARY KEY,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE maintenance (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  since INTEGER NOT NULL,
  note TEXT
) STRICT;
CREATE TABLE replays (
  id INTEGER PRIMARY KEY,
  callback TEXT NOT NULL,
  after_seq INTEGER NOT NULL,
  before_seq INTEGER NOT NULL,
  since INTEGER,
  until INTEGER,
  types TEXT NOT NULL,
  missing INTEGER NOT NULL CHECK (missing IN (0, 1)),
  events INTEGER NOT NULL,
  next_seq INTEGER NOT NULL,
  made INTEGER NOT NULL,
  delivered INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  ended_at INTEGER,
  cancelled INTEGER NOT NULL CHECK (cancelled IN (0, 1))
) STRICT;
)sql";

void copy_before(
    db_connection& db, const std::filesystem::path& database, const std::string& vfs, std::int64_t version,
    const std::string& log_id) {
    const std::filesystem::path copy = beside(database, fmt::format(".v{}.bak", version));
    if (!has_space_for_copy(database)) {
        throw store_start_error(
            75, fmt::format(
                    "no room for {}, the copy of the database before its schema is changed: make room "
                    "and start again (nothing was changed)",
                    copy.string()));
    }
    database_copy copying(db, beside(copy, ".part"), vfs);
    while (!copying.step(std::chrono::seconds(1))) {
    }
    copying.finish(log_id);
    std::filesystem::rename(copying.path(), copy);
    if (!sync_directory(directory_of(copy)))
        throw store_start_error(75, fmt::format("sync {}", directory_of(copy).string()));
}

} // namespace

std::span<const migration> known_migrations() {
    // SQLite keeps the text of the column's definition: it stays as schema.cpp has it.
    static const std::string to_2 = std::string(R"sql(
        ALTER TABLE transactions
        ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;
    )sql") + views_sql();
    static const char* const to_3 = R"sql(
        ALTER TABLE transactions
        ADD COLUMN traceparent TEXT;
        ALTER TABLE events
        ADD COLUMN traceparent TEXT;
    )sql";
    static const char* const to_4 = R"sql(
        CREATE TABLE metadata_terms (key INTEGER PRIMARY KEY, terms BLOB NOT NULL) STRICT;
        CREATE TABLE segment_ranges (
          list INTEGER NOT NULL,
          segment INTEGER NOT NULL,
          least INTEGER NOT NULL,
          greatest INTEGER NOT NULL,
          PRIMARY KEY (list, segment)
        ) STRICT, WITHOUT ROWID;
        DROP INDEX transactions_settled;
        CREATE INDEX transactions_settled ON transactions (row >> 12, settled_at) WHERE settled_at IS NOT NULL;
        CREATE INDEX deliveries_given_up ON deliveries (lane, transaction_row) WHERE state >= 2;
    )sql";
    static const std::string to_5 = std::string(controls_of_5) + delivery_view_sql();
    static const std::array steps{
        migration{1, to_2.c_str()}, migration{2, to_3}, migration{3, to_4, index_everything},
        migration{4, to_5.c_str()}};
    return steps;
}

void migrate(
    db_connection& db, const std::filesystem::path& database, const std::string& vfs, std::span<const migration> steps,
    std::int64_t target, const std::string& copy_log_id) {
    const std::int64_t version = db.ask_integer(R"sql(PRAGMA user_version)sql");
    if (version == target) return;
    copy_before(db, database, vfs, version, copy_log_id);
    db.execute(R"sql(BEGIN IMMEDIATE)sql");
    try {
        for (const migration& step : steps) {
            if (step.from < version || step.from >= target) continue;
            db.execute(step.sql);
            if (step.fill != nullptr) step.fill(db);
            db.execute(fmt::format(R"sql(PRAGMA user_version = {})sql", step.from + 1));
        }
        if (db.ask_integer(R"sql(PRAGMA user_version)sql") != target) {
            throw sqlite_error(SQLITE_ERROR, fmt::format("there is no way from schema {} to {}", version, target));
        }
        db.execute(R"sql(COMMIT)sql");
    } catch (...) {
        if (db.in_transaction()) db.execute(R"sql(ROLLBACK)sql");
        throw;
    }
}

} // namespace prooftrack::store
