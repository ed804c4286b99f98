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
    static const std::array steps{migration{1, to_2.c_str()}, migration{2, to_3}, migration{3, to_4, index_everything}};
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
