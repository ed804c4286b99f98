#include "store/postgres/copy_target.hpp"

#include <utility>

#include <fmt/format.h>

#include "store/copy_database.hpp"
#include "store/postgres/pg_ownership.hpp"
#include "store/postgres/pg_schema.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {
namespace {

/// Between two signs of life: to read back what is sorted, or to look at all rows, takes long.
constexpr milliseconds work_patience{std::chrono::hours(1)};
constexpr const char* copied_words = "Copied from SQLite, SHA-256 ";

[[noreturn]] void refuse(int status, const std::string& what) { throw store_start_error(status, what); }

pg_target read_url(const postgres_options& options) {
    auto target = parse_pg_url(options.url);
    if (!target) refuse(75, target.error().message());
    return *std::move(target);
}

std::string hosts_of(const pg_target& target) {
    std::string all;
    for (const pg_target::parameters& each : target.hosts) {
        const char* const name = each.contains("host") ? "host" : "hostaddr";
        const std::string host = each.contains(name) ? each.at(name) : "the local socket";
        const std::string port = each.contains("port") ? ":" + each.at("port") : "";
        all += (all.empty() ? "" : ",") + host + port;
    }
    return all;
}

std::unique_ptr<db_connection> open_session(
    const pg_target& target, const secret& password, const std::string& name, const std::atomic<bool>& never) {
    auto db = std::make_unique<db_connection>(
        std::make_unique<pg_link>(connect_to(target, password, "prooftrackd " + name, never)));
    if (db->link().version() < oldest_version) refuse(75, "PostgreSQL is too old: prooftrackd needs 14 or newer");
    configure_session(db->link(), work_patience);
    db->execute(R"sql(SET synchronous_commit = on)sql");
    if (db->ask_text(R"sql(SELECT coalesce(current_schema(), ''))sql").empty()) {
        refuse(
            75, "no schema of the search_path is there, or the role may not use it: GRANT USAGE, CREATE ON SCHEMA …");
    }
    return db;
}

void require_our_version(db_connection& db) {
    const std::int64_t version = db.ask_integer(R"sql(SELECT schema_version FROM prooftrackd WHERE one = 1)sql");
    if (version == pg_schema_version) return;
    refuse(
        75, fmt::format(
                "the database in PostgreSQL has schema {}, and this program reads {}: {} (nothing was changed)",
                version, pg_schema_version,
                version < pg_schema_version ? "start this prooftrackd once on it" : "use the newer prooftrackd"));
}

/// Nobody joins until the transaction ends.
void require_no_daemon(db_connection& db) {
    db.execute(R"sql(LOCK TABLE nodes IN SHARE MODE)sql");
    const std::string living = db.ask_text(R"sql(
        SELECT coalesce(string_agg(id, ', ' ORDER BY id), '')
        FROM nodes
        WHERE state < 2 AND expires_at > clock_timestamp()
    )sql");
    if (living.empty()) return;
    refuse(
        75, fmt::format(
                "prooftrackd runs on this database (cluster.node {}): nothing was changed. Stop all of them, and try "
                "again after 5 seconds",
                living));
}

} // namespace

void throw_unreachable(const postgres_error& error, const std::string& url) {
    if (error.state() == "42501") {
        refuse(
            75, fmt::format(
                    "PostgreSQL refuses the role of store.url: {}. It has to own its database (ALTER DATABASE … OWNER "
                    "TO …), or needs CREATE on its schema (GRANT USAGE, CREATE ON SCHEMA public TO …)",
                    error.what()));
    }
    if (error.state() == "55P03") {
        refuse(
            75, "something else holds the tables in PostgreSQL (a daemon that starts, or a backup): nothing was "
                "changed. Try again");
    }
    refuse(
        75, fmt::format(
                "PostgreSQL cannot be reached or used: {}. Nothing was changed, unless that was its answer to COMMIT: "
                "the same command again finds out. `psql '{}'` should work as this user",
                error.what(), url));
}

copy_target::copy_target(const postgres_options& options) : target_(read_url(options)) {
    explained([&] { connect(options); });
}

void copy_target::connect(const postgres_options& options) {
    db_ = open_session(target_, options.password, "copy", never_);
    place_ =
        fmt::format("the database {} on {}", db_->ask_text(R"sql(SELECT current_database())sql"), hosts_of(target_));
    take_lock();
    db_->link().set_patience(work_patience);
    db_->execute(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL enable_sort = off)sql");
}

/// The one that a start takes while it makes or changes the tables.
void copy_target::take_lock() {
    if (try_lock(db_->link(), lock_patience)) return;
    refuse(
        75, fmt::format(
                "{} is in use ({}): nothing was changed. Stop every prooftrackd that uses it, or wait for another "
                "copy to end",
                place_, describe_owner(db_->link())));
}

std::string copy_target::former_copy() {
    if (!has_our_tables(*db_)) return {};
    require_our_version(*db_);
    const std::string comment =
        db_->ask_text(R"sql(SELECT coalesce(obj_description('counters'::regclass, 'pg_class'), ''))sql");
    return comment.starts_with(copied_words) ? comment.substr(std::string_view(copied_words).size()) : std::string();
}

void copy_target::create() {
    if (!is_schema_empty(*db_)) {
        refuse(
            1, fmt::format(
                   "{} holds tables of another program: nothing was changed. Give prooftrackd a database of its own "
                   "(CREATE DATABASE … OWNER …)",
                   place_));
    }
    db_->execute(
        pg_schema_sql() +
        fmt::format(
            R"sql(INSERT INTO prooftrackd (one, schema_version, batch) VALUES (1, {}, 1))sql", pg_schema_version));
}

void copy_target::require_never_used() {
    const bool is_used = db_->ask_integer(R"sql(
        SELECT EXISTS (SELECT FROM counters WHERE next_transaction > 1 OR next_event > 1)
            OR EXISTS (SELECT FROM consumers)
            OR EXISTS (SELECT FROM session_keys)
            OR EXISTS (SELECT FROM pauses)
            OR EXISTS (SELECT FROM maintenance)
            OR EXISTS (SELECT FROM replays)
    )sql") == 1;
    if (!is_used) return;
    refuse(
        1, fmt::format(
               "{} holds data of prooftrackd already: nothing was changed. Give store.url an empty database", place_));
}

void copy_target::require_unused() {
    if (!has_our_tables(*db_)) return create();
    db_->execute(R"sql(LOCK TABLE prooftrackd, counters IN ACCESS EXCLUSIVE MODE)sql");
    require_no_daemon(*db_);
    require_never_used();
    std::string names;
    for (const copied_table& table : copied_tables()) names += (names.empty() ? "" : ", ") + std::string(table.name);
    db_->execute(R"sql(UPDATE prooftrackd SET batch = batch + 1; TRUNCATE )sql" + names);
}

void copy_target::take(const copied_table& table, const std::function<bool(std::string& piece)>& next) {
    taken_ = db_->link().copy_in(copy_in_sql(table), next);
}

void copy_target::expect(const copied_table& table, std::uint64_t rows, std::string digest) {
    if (static_cast<std::uint64_t>(taken_) != rows)
        refuse(75, fmt::format("PostgreSQL took {} of {} rows of {}: nothing was changed", taken_, rows, table.name));
    expected_.push_back({&table, std::move(digest)});
}

void copy_target::finish(
    const std::string& digest_of_all, const std::function<void(std::string_view table)>& on_table) {
    for (const expected_table& each : expected_) {
        on_table(each.table->name);
        db_->execute(R"sql(ANALYZE )sql" + std::string(each.table->name));
        running_digest found;
        db_->link().copy_out(copy_out_sql(*each.table), [&](std::string_view bytes) { found.add(bytes); });
        if (found.finish() == each.digest) continue;
        refuse(
            75, fmt::format(
                    "PostgreSQL gives other rows of {} back than it was given: nothing was changed", each.table->name));
    }
    if (!counters_fit(*db_)) refuse(75, "the counters do not fit the tables in PostgreSQL: nothing was changed");
    db_->execute(fmt::format(R"sql(COMMENT ON TABLE counters IS '{}{}')sql", copied_words, digest_of_all));
    db_->execute(R"sql(COMMIT)sql");
}

renamed_log rename_log(const postgres_options& options) {
    const pg_target target = read_url(options);
    const std::atomic<bool> never{false};
    try {
        const auto db = open_session(target, options.password, "new log id", never);
        if (!has_our_tables(*db)) {
            refuse(
                1, fmt::format(
                       "there are no tables of prooftrackd in {}: nothing was changed",
                       db->ask_text(R"sql(SELECT current_database() || ', schema ' || current_schema())sql")));
        }
        require_our_version(*db);
        renamed_log log{{}, make_log_id(mix_seed(options.seed))};
        db->execute(R"sql(BEGIN; UPDATE prooftrackd SET batch = batch + 1 WHERE one = 1)sql");
        require_no_daemon(*db);
        log.former = db->ask_text(R"sql(SELECT log_id FROM counters WHERE one = 1)sql");
        db->execute(fmt::format(R"sql(UPDATE counters SET log_id = '{}' WHERE one = 1; COMMIT)sql", log.now));
        return log;
    } catch (const postgres_error& error) {
        throw_unreachable(error, target.shown);
    }
}

} // namespace prooftrack::store
