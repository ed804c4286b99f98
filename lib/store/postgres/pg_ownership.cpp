#include "store/postgres/pg_ownership.hpp"

#include <thread>

#include <fmt/format.h>

#include "store/postgres/pg_statement.hpp"

namespace prooftrack::store {
namespace {

constexpr milliseconds between_tries{50};
constexpr milliseconds former_session_patience{1'000};
constexpr milliseconds most_idle_in_transaction{60'000};
/// "PrTk", and beside it the schema: another one in the same database may have a daemon of its own.
constexpr const char* lock_keys = "1349669995, hashtext(current_schema())";

bool has_lock(pg_link& link) {
    return pg_rows(link.ask(fmt::format(R"sql(SELECT pg_try_advisory_lock({}))sql", lock_keys))).first_integer() == 1;
}

/// Ends what is left of this start's earlier session, unless it is at work: one that waits for its standby must not be
/// told to give up, as it would count as committed then without being there.
void end_former_sessions(pg_link& link, const std::string& boot) {
    link.ask(fmt::format(
        R"sql(
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE application_name = '{}'
              AND pid <> pg_backend_pid()
              AND datname = current_database()
              AND (state LIKE 'idle%' OR wait_event_type = 'Client')
        )sql",
        writer_name(boot)));
}

pg_ownership read_owner(pg_link& link, const char* how) {
    pg_rows row(link.ask(fmt::format(R"sql(SELECT boot, batch FROM prooftrackd WHERE one = 1 {})sql", how)));
    if (!row.next()) throw ownership_lost("the row that says who writes has gone from the table prooftrackd");
    return {std::string(row.text(0)), row.integer(1)};
}

void require_boot(const pg_ownership& found, const pg_ownership& own) {
    if (found.boot == own.boot) return;
    throw ownership_lost("another prooftrackd has taken the database over: this one stops and writes nothing more");
}

} // namespace

void configure_session(pg_link& link, milliseconds idle) {
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
        )sql",
        idle.count()));
}

std::string writer_name(const std::string& boot) { return "prooftrackd " + boot; }

bool try_lock(pg_link& link, milliseconds patience) {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (!has_lock(link)) {
        if (std::chrono::steady_clock::now() >= until) return false;
        std::this_thread::sleep_for(between_tries);
    }
    return true;
}

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

pg_ownership take_over(pg_link& link, std::string boot) {
    const pg_value name{boot.data(), static_cast<int>(boot.size())};
    pg_rows row(link.ask_once(R"sql(UPDATE prooftrackd SET boot = $1 WHERE one = 1 RETURNING batch)sql", {&name, 1}));
    if (!row.next()) throw ownership_lost("the row that says who writes has gone from the table prooftrackd");
    return {std::move(boot), row.integer(0)};
}

void begin_owned(database& db, const pg_ownership& own) {
    db.connection->link().post(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE)sql");
    static constexpr sql_literal fence = R"sql(
        WITH mine AS (
            UPDATE prooftrackd
            SET batch = ?
            WHERE one = 1
              AND boot = ?
              AND batch = ?
            RETURNING 1
        )
        SELECT 1 / count(*)
        FROM mine
    )sql";
    db.sql(fence).execute(own.batch + 1, own.boot, own.batch);
}

regained_link regain(
    const pg_target& target, const secret& password, const pg_ownership& own, bool is_undecided,
    const std::string& new_log_id, const std::atomic<bool>& ended) {
    regained_link got;
    got.link = std::make_unique<pg_link>(connect_to(target, password, writer_name(own.boot), ended));
    pg_link& link = *got.link;
    configure_session(link, most_idle_in_transaction);
    end_former_sessions(link, own.boot);
    if (!try_lock(link, former_session_patience)) {
        require_boot(read_owner(link, ""), own);
        throw postgres_error(state_link_lost, "the former session has not ended yet: " + describe_owner(link));
    }
    const pg_ownership found = read_owner(link, "FOR UPDATE");
    require_boot(found, own);
    const std::int64_t most = own.batch + (is_undecided ? 1 : 0);
    if (found.batch < own.batch || found.batch > most) {
        link.ask(fmt::format(R"sql(UPDATE counters SET log_id = '{}' WHERE one = 1)sql", new_log_id));
        throw ownership_lost(fmt::format(
            "store.rewound: PostgreSQL was set back to an earlier state (commit {}, and {} was acknowledged): a "
            "standby that was not synchronous has taken over, or a backup was restored. The log goes on as {}; import "
            "the ids that were added since",
            found.batch, own.batch, new_log_id));
    }
    got.batch = found.batch;
    return got;
}

} // namespace prooftrack::store
