#include "store/postgres/open_postgres.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "store/cluster.hpp"
#include "store/copy_database.hpp"
#include "store/maintenance_ops.hpp"
#include "store/postgres/pg_membership.hpp"
#include "store/postgres/pg_schema.hpp"
#include "store/postgres/pg_statement.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {
namespace {

constexpr milliseconds schema_patience{std::chrono::minutes(10)};
constexpr milliseconds snapshot_patience{std::chrono::minutes(10)};
constexpr milliseconds snapshot_idle{std::chrono::minutes(15)}; // longer than a reader's patience

[[noreturn]] void refuse(const std::string& what) { throw store_start_error(75, what); }

void require_new_enough(const pg_link& link) {
    if (link.version() >= oldest_version) return;
    refuse(fmt::format(
        "PostgreSQL {}.{} is too old: prooftrackd needs 14 or newer", link.version() / 10000, link.version() % 10000));
}

/// A pooler gives its clients numbers of its own, and sessions that are not theirs: the lock would be anybody's.
void require_no_pooler(db_connection& db) {
    if (db.ask_integer(R"sql(SELECT pg_backend_pid())sql") == db.link().server_process()) return;
    refuse(
        "a connection pooler (pgbouncer?) stands between prooftrackd and PostgreSQL, and the session's lock would not "
        "hold: give store.url the address of PostgreSQL itself");
}

void look_at_settings(db_connection& db, const postgres_options& options) {
    const auto warn = [&options](const std::string& warning) {
        if (options.warn) options.warn(warning);
    };
    if (db.ask_text(R"sql(SHOW synchronous_commit)sql") == "off") {
        warn("synchronous_commit is off for this role or database: prooftrackd turns it on for its own session, since "
             "what it acknowledges must be on the disk");
        db.execute(R"sql(SET synchronous_commit = on)sql");
    }
    if (db.ask_text(R"sql(SHOW fsync)sql") == "off")
        warn("fsync is off on the PostgreSQL server: when its machine loses power, the database is lost");
}

void require_empty(db_connection& db) {
    if (is_schema_empty(db)) return;
    refuse(fmt::format(
        "the schema {} of the database {} holds tables of another program: nothing was changed. Give prooftrackd a "
        "database of its own (CREATE DATABASE … OWNER …)",
        db.ask_text(R"sql(SELECT current_schema())sql"), db.ask_text(R"sql(SELECT current_database())sql")));
}

void create(db_connection& db, const std::string& log_id) {
    require_empty(db);
    db.link().set_patience(schema_patience);
    db.execute(
        pg_schema_sql() + fmt::format(
                              R"sql(
        INSERT INTO counters VALUES (1, 1, 1, 1, 1, 1, 0, '{}', '');
        INSERT INTO prooftrackd VALUES (1, {}, 0);
    )sql",
                              log_id, pg_schema_version));
}

std::int64_t schema_version(db_connection& db) {
    return db.ask_integer(R"sql(SELECT schema_version FROM prooftrackd WHERE one = 1)sql");
}

void require_known_version(db_connection& db) {
    const std::int64_t version = schema_version(db);
    if (version == pg_schema_version) return;
    refuse(fmt::format(
        "the database has schema {}, and this prooftrackd reads {}: nothing was changed. Install the newer prooftrackd "
        "again, or restore what PostgreSQL's backup has of the time before the upgrade",
        version, pg_schema_version));
}

void require_fitting_counters(db_connection& db) {
    if (counters_fit(db)) return;
    refuse(
        "the counters do not fit the tables: something else has written into the database, or only a part of a backup "
        "was restored. Restore it whole (daemon/docs/postgresql.md)");
}

/// Whoever is alone forgets the lanes that nothing is owed on. Then the figures, of a moment when nobody else commits:
/// what a node has in memory is removed from the tables by nobody.
void begin_life(database& db, pg_ownership& own) {
    db_connection& connection = *db.connection;
    own.batch = last_batch(db, own.node, own.boot).value_or(0); // then begin_owned fails
    own.commit = begin_owned(db, own);
    const std::int64_t others = connection.ask_integer(R"sql(SELECT count(*) FROM nodes WHERE state < 2)sql") - 1;
    if (others == 0) forget_idle_lanes(connection);
    db.sums.load(connection);
    connection.link().ask(R"sql(COMMIT)sql");
    ++own.batch;
    own.log_id = db.sums.log_id();
}

/// A store that is no node keeps the lock, as its session's life is all that tells of it.
void require_schema(db_connection& db, random_source& random, bool is_node) {
    if (!try_lock(db.link(), lock_patience)) {
        refuse(fmt::format(
            "another prooftrackd changes the schema, or one of a version before clusters uses this database ({}): stop "
            "that one. systemd starts this one again every few seconds; without systemd, start it again",
            describe_owner(db.link())));
    }
    if (!has_our_tables(db)) create(db, make_log_id(random.next()));
    if (schema_version(db) == 1) {
        db.link().set_patience(schema_patience); // it makes an index of all transactions
        db.execute(pg_upgrade_from_1_sql());
    }
    if (is_node) unlock(db.link());
    require_known_version(db);
}

pg_ownership own_database(const postgres_options& options, pg_link& link, std::string boot) {
    pg_ownership own;
    own.node = options.node.empty() ? "prooftrackd" : options.node;
    own.boot = std::move(boot);
    own.process = link.server_process();
    own.timeline = read_timeline(link);
    // Whoever holds the lock is alone: what is left of another one is of an earlier life.
    if (options.node.empty()) link.ask(R"sql(UPDATE nodes SET state = 2)sql");
    const auto refused = join_cluster(link, {own.node, own.boot, options.version}, lease_length + milliseconds(500));
    if (refused) refuse(*refused);
    return own;
}

opened_postgres open_connected(const postgres_options& options, std::unique_ptr<pg_link> link, std::string boot) {
    opened_postgres opened;
    opened.db = std::make_unique<database>();
    opened.db->random = random_source(mix_seed(options.seed));
    opened.db->connection = std::make_unique<db_connection>(std::move(link));
    if (!options.node.empty()) opened.db->held.reset(); // until it has joined
    db_connection& db = *opened.db->connection;
    require_new_enough(db.link());
    configure_session(db.link(), longest_turn);
    require_no_pooler(db);
    look_at_settings(db, options);
    if (db.ask_text(R"sql(SELECT coalesce(current_schema(), ''))sql").empty())
        refuse("no schema of the search_path is there, or the role may not use it: GRANT USAGE, CREATE ON SCHEMA …");
    require_schema(db, opened.db->random, !options.node.empty());
    opened.own = own_database(options, db.link(), std::move(boot));
    require_fitting_counters(db);
    begin_life(*opened.db, opened.own);
    db.link().set_patience(milliseconds(10'000));
    return opened;
}

} // namespace

opened_postgres open_postgres(const postgres_options& options, const pg_target& target) {
    const std::string boot = make_log_id(mix_seed(options.seed));
    const std::atomic<bool> never{false};
    try {
        auto link = std::make_unique<pg_link>(connect_to(target, options.password, session_name(boot), never));
        return open_connected(options, std::move(link), boot);
    } catch (const postgres_error& error) {
        if (error.state() == "42501") {
            refuse(fmt::format(
                "PostgreSQL refuses the role of store.url: {}. It has to own its database (ALTER DATABASE … OWNER TO "
                "…), or needs CREATE on its schema (GRANT USAGE, CREATE ON SCHEMA public TO …)",
                error.what()));
        }
        refuse(fmt::format(
            "PostgreSQL cannot be reached or used: {}. Look at store.url, the password (store.password_file or the "
            "credential store_password) and the server's pg_hba.conf; `psql '{}'` should work as the daemon's user",
            error.what(), target.shown));
    } catch (const ownership_lost& error) {
        refuse(error.what());
    } catch (const database_error& error) {
        refuse(fmt::format("the tables of prooftrackd in PostgreSQL are damaged: {}", error.what()));
    } catch (const std::out_of_range&) {
        refuse("the tables of prooftrackd in PostgreSQL are damaged: their counts are out of range");
    }
}

std::unique_ptr<pg_link> open_snapshot(
    const pg_target& target, const secret& password, const std::atomic<bool>& ended) {
    auto link = std::make_unique<pg_link>(connect_to(target, password, "prooftrackd export", ended));
    link->end_when(ended);
    configure_session(*link, snapshot_idle);
    link->set_patience(snapshot_patience);
    link->post(R"sql(BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY)sql");
    link->ask(R"sql(SELECT batch FROM prooftrackd WHERE one = 1)sql"); // the first statement takes the snapshot
    return link;
}

} // namespace prooftrack::store
