#include "store/open_database.hpp"

#include <fmt/format.h>

#include "store/copy_database.hpp"
#include "store/disk_space.hpp"
#include "store/maintenance_ops.hpp"
#include "store/moved_mark.hpp"
#include "store/rewrite.hpp"
#include "store/start_errors.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {
namespace {

struct pragma {
    const char* name;
    const char* wanted;
    const char* reads_back;
};

/// Sets and reads back: a misspelt or refused pragma is silent otherwise.
void apply(db_connection& db, const pragma& each) {
    db.execute(fmt::format(R"sql(PRAGMA {} = {})sql", each.name, each.wanted));
    const std::string now = db.ask_text(fmt::format(R"sql(PRAGMA {})sql", each.name));
    if (now != each.reads_back) {
        throw sqlite_error(
            SQLITE_ERROR, fmt::format("PRAGMA {} is '{}' and not '{}'", each.name, now, each.reads_back));
    }
}

constexpr pragma before_first_access{"locking_mode", "EXCLUSIVE", "exclusive"}; // no -shm file, no second connection
constexpr pragma settings[] = {
    {"journal_mode", "WAL", "wal"},
    {"synchronous", "FULL", "2"},
    {"foreign_keys", "ON", "1"},
    {"trusted_schema", "OFF", "0"},
    {"cell_size_check", "ON", "1"},
    {"secure_delete", "OFF", "0"}, // Debian compiles it on
    {"mmap_size", "0", "0"},
    {"temp_store", "MEMORY", "2"}, // savepoints' journals; the service has no other place to write
    {"cache_size", "-16384", "-16384"},
    {"wal_autocheckpoint", "0", "0"},
    {"journal_size_limit", "67108864", "67108864"},
};

constexpr int damaged_status = 65;

/// Whoever moved the file of a running daemon, or one that was refused, is about to put another one there: an empty one
/// made meanwhile would take new ids, and then be overwritten. Socket activation: every client's request starts the
/// service.
void require_file(const std::filesystem::path& database, lock_file& lock) {
    std::error_code error;
    const auto size = std::filesystem::file_size(database, error);
    if (!error && size > 0) return;
    if (!lock.is_marked())
        lock.mark_taken_away(); // half a copy is then tried again; a doubt stays, the file may come back
    throw_taken_away(database);
}

std::unique_ptr<database> open_checked(
    const store_options& options, lock_file& lock, std::span<const migration> migrations, std::int64_t newest) {
    auto opened = std::make_unique<database>();
    opened->path = options.path;
    opened->vfs = options.vfs;
    opened->random = random_source(mix_seed(options.seed));
    if (lock.needs_a_file()) require_file(options.path, lock);
    prepare_file(options.path);
    if (lock.is_marked()) {
        rewrite_database(options);
        lock.clear_mark();
    }
    opened->connection = std::make_unique<db_connection>(options.path, options.vfs);
    db_connection& db = *opened->connection;
    apply(db, before_first_access);
    const bool is_empty = db.ask_integer(R"sql(SELECT count(*) FROM sqlite_schema)sql") == 0;
    if (!is_empty) require_ours(db, options.path, newest);
    for (const pragma& each : settings) apply(db, each);
    if (is_empty) {
        create_schema(db, make_log_id(opened->random.next()));
    } else {
        migrate(db, options.path, options.vfs, migrations, newest, make_log_id(opened->random.next()));
    }
    begin_own_log(db, make_log_id(opened->random.next()));
    require_whole(db, options.path);
    forget_idle_lanes(db);
    opened->sums.load(db);
    if (lock.needs_a_file()) lock.clear_mark();
    static_cast<void>(write_probe(*opened)); // reports a full or read-only disk now, not at the first transaction
    return opened;
}

std::unique_ptr<database> open_explained(
    const store_options& options, lock_file& lock, std::span<const migration> migrations, std::int64_t newest) {
    try {
        return open_checked(options, lock, migrations, newest);
    } catch (const sqlite_error& error) {
        throw_start_error(options.path, error);
    } catch (const std::out_of_range&) {
        throw_damaged(options.path, "its counts are out of range");
    } catch (const std::filesystem::filesystem_error& error) {
        throw store_start_error(75, fmt::format("open {}: {}", options.path.string(), error.what()));
    }
}

} // namespace

void require_ours(db_connection& db, const std::filesystem::path& path, std::int64_t newest) {
    const std::int64_t found_id = db.ask_integer(R"sql(PRAGMA application_id)sql");
    if (found_id != application_id) throw_foreign(path, found_id);
    if (const auto place = where_moved(db)) throw_moved(path, *place);
    const std::int64_t version = db.ask_integer(R"sql(PRAGMA user_version)sql");
    if (version > newest) throw_newer(path, version, newest);
    if (version < 1) throw_damaged(path, "its schema has no version");
}

void require_whole(db_connection& db, const std::filesystem::path& path) {
    if (schema_names(db) != expected_schema_names()) throw_damaged(path, "tables or indexes are missing");
    if (!counters_fit(db)) throw_damaged(path, "the counters do not fit the tables");
}

std::unique_ptr<database> open_database(
    const store_options& options, lock_file& lock, std::span<const migration> migrations, std::int64_t newest) {
    remove_unfinished_copies(options.path);
    try {
        return open_explained(options, lock, migrations, newest);
    } catch (const store_start_error& error) {
        if (error.exit_status() != damaged_status) throw;
        if (!lock.was_taken_away()) {
            lock.mark_refused();
            throw;
        }
        throw store_start_error(
            75, fmt::format(
                    "{} was replaced while prooftrackd ran, and is not whole yet: while it is "
                    "being copied this is tried again. If nobody copies: {}",
                    options.path.string(), error.what()));
    }
}

} // namespace prooftrack::store
