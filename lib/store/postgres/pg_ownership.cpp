#include "store/postgres/pg_ownership.hpp"

#include <thread>

#include <fmt/format.h>

#include "store/postgres/pg_membership.hpp"
#include "store/postgres/pg_statement.hpp"

namespace prooftrack::store {
namespace {

constexpr milliseconds between_tries{50};
/// "PrTk", and beside it the schema: another one in the same database may have daemons of its own.
constexpr const char* lock_keys = "1349669995, hashtext(current_schema())";

bool has_lock(pg_link& link) {
    return pg_rows(link.ask(fmt::format(R"sql(SELECT pg_try_advisory_lock({}))sql", lock_keys))).first_integer() == 1;
}

/// Ends what is left of the former session, unless it is at work: one that waits for its standby must not be told to
/// give up, as it would count as committed then without being there.
void end_former_session(pg_link& link, const pg_ownership& own) {
    link.ask(fmt::format(
        R"sql(
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE pid = {}
              AND application_name = '{}'
              AND datname = current_database()
              AND (state LIKE 'idle%' OR wait_event_type = 'Client')
        )sql",
        own.process, session_name(own.boot)));
}

pg_value text_value(const std::string& text) { return {text.data(), static_cast<int>(text.size())}; }

/// What `writers` says of this start. Waits for a commit of it that is under way.
regained_link read_writer(pg_link& link, const pg_ownership& own) {
    const pg_value name = text_value(own.node);
    pg_rows row(link.ask_once(
        R"sql(SELECT boot, batch, former_boot, former_batch FROM writers WHERE node = $1 FOR UPDATE)sql", {&name, 1}));
    regained_link found;
    found.is_fenced = true;
    found.batch = own.batch;
    if (!row.next()) return found;
    if (row.text(0) == own.boot) {
        found.is_fenced = false;
        found.batch = row.integer(1);
    } else if (row.text(2) == own.boot) {
        found.batch = row.integer(3);
    }
    return found;
}

/// By what it is found that the database was set back, for people; nullopt: it was not.
std::optional<std::string> find_set_back(
    pg_link& link, const pg_ownership& own, std::int64_t batch, bool is_undecided) {
    const std::int64_t most = own.batch + (is_undecided ? 1 : 0);
    if (batch < own.batch || batch > most)
        return fmt::format("commit {} of this node, and {} was acknowledged", batch, own.batch);
    const known_commit last = last_commit(link);
    if (!has_commit(link, own.commit, last)) {
        return fmt::format(
            "it ends with commit {}, and commit {} as this node knows it is not there", last.number, own.commit.number);
    }
    pg_rows log(link.ask(R"sql(SELECT log_id FROM counters WHERE one = 1)sql"));
    if (log.first_text() == own.log_id) return std::nullopt;
    return "the log has another log_id: another node has found it, or somebody has said so";
}

/// Unless another node has done that. It is a commit and told to all, so that they look at the name.
void change_log_id(pg_link& link, const pg_ownership& own, const std::string& to) {
    begin_turn(link);
    link.post(
        fmt::format(R"sql(UPDATE counters SET log_id = '{}' WHERE one = 1 AND log_id = '{}')sql", to, own.log_id));
    notify(link, news_channel, own.boot);
    link.ask(R"sql(COMMIT)sql");
}

} // namespace

void configure_session(pg_link& link, milliseconds idle) {
    // Each statement looks rows up by an index, as SQLite does it. What the planner believes of a table that has just
    // been filled is wrong, and a prepared plan that reads all of it would stay. At the usual cost of a page another
    // index would be read backwards, as far as it takes, where few rows are wanted in its order.
    //
    // No statement_timeout: one that ends a COMMIT which waits for its standby would make it look committed. What takes
    // too long is ended by closing the socket, which the server looks at every two seconds.
    link.run_script(fmt::format(
        R"sql(
            SET statement_timeout = 0;
            SET lock_timeout = '5s';
            SET idle_in_transaction_session_timeout = '{}ms';
            SET client_connection_check_interval = '2s';
            SET tcp_keepalives_idle = 5;
            SET tcp_keepalives_interval = 2;
            SET tcp_keepalives_count = 3;
            SET default_transaction_isolation = 'read committed';
            SET jit = off;
            SET cursor_tuple_fraction = 1;
            SET random_page_cost = 1.1;
            SET enable_seqscan = off;
            SET enable_hashjoin = off;
            SET enable_mergejoin = off;
        )sql",
        idle.count()));
}

bool try_lock(pg_link& link, milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!has_lock(link)) {
        if (std::chrono::steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(between_tries);
    }
    return true;
}

void unlock(pg_link& link) { link.ask(fmt::format(R"sql(SELECT pg_advisory_unlock({}))sql", lock_keys)); }

std::string describe_owner(pg_link& link) {
    pg_rows row(link.ask(R"sql(
        SELECT a.application_name || ', server process ' || a.pid || coalesce(' from ' || host(a.client_addr), '')
            || ', since ' || to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
        FROM pg_locks l
        JOIN pg_stat_activity a USING (pid)
        WHERE l.locktype = 'advisory'
          AND l.granted
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND l.classid = 1349669995
        LIMIT 1
    )sql"));
    const std::string text = row.first_text();
    return text.empty() ? "a session that is just ending" : text;
}

std::optional<std::int64_t> last_batch(database& db, const std::string& node, const std::string& boot) {
    query row = db.sql(R"sql(SELECT batch FROM writers WHERE node = ? AND boot = ?)sql").select(node, boot);
    return row.next() ? std::optional(row.integer(0)) : std::nullopt;
}

known_commit begin_owned(database& db, const pg_ownership& own) {
    leave_mark(db.connection->link());
    db.connection->link().post(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE)sql");
    static constexpr sql_literal turn = R"sql(
        UPDATE prooftrackd
        SET batch = batch + 1
        WHERE one = 1
        RETURNING batch, mark
    )sql";
    known_commit commit;
    {
        query row = db.sql(turn).select();
        if (!row.next()) throw postgres_error(std::string(state_fenced), "the row of the table prooftrackd has gone");
        commit = {row.integer(0), row.string(1)};
    }
    static constexpr sql_literal fence = R"sql(
        WITH mine AS (
            UPDATE writers
            SET batch = ?
            WHERE node = ?
              AND boot = ?
              AND batch = ?
            RETURNING 1
        )
        SELECT 1 / count(*)
        FROM mine
    )sql";
    db.sql(fence).execute(own.batch + 1, own.node, own.boot, own.batch);
    return commit;
}

std::int64_t read_timeline(pg_link& link) {
    try {
        pg_rows row(link.ask(R"sql(
            SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::BIT(32)::BIGINT
        )sql"));
        return row.first_integer();
    } catch (const postgres_error& error) {
        if (error.reach() == failure_reach::link) throw;
        return 0; // a hosted server may not let everybody ask
    }
}

regained_link regain(
    const pg_target& target, const secret& password, const pg_ownership& own, bool is_undecided,
    const std::string& new_log_id, const std::atomic<bool>& ended) {
    auto link = std::make_unique<pg_link>(connect_to(target, password, session_name(own.boot), ended));
    configure_session(*link, longest_turn);
    end_former_session(*link, own);
    regained_link got = read_writer(*link, own);
    if (const auto how = find_set_back(*link, own, got.batch, is_undecided)) {
        change_log_id(*link, own, new_log_id);
        throw ownership_lost(fmt::format(
            "PostgreSQL was set back to an earlier state ({}): a standby that was not synchronous has taken over, or a "
            "backup was restored. The log goes on under a new log_id; import the ids that were added since",
            *how));
    }
    got.timeline = read_timeline(*link);
    got.link = std::move(link);
    return got;
}

} // namespace prooftrack::store
