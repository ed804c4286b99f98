#include "store/postgres/pg_membership.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <thread>

#include <fmt/format.h>

#include "store/postgres/node_process.hpp"
#include "store/postgres/pg_marks.hpp"
#include "store/postgres/pg_statement.hpp"

namespace prooftrack::store {
namespace {

constexpr milliseconds between_name_looks{100}; // at the row of a living node of the same name

template <std::size_t number>
pg_rows ask_with(pg_link& link, const std::string& sql, const std::array<std::string_view, number>& texts) {
    std::array<pg_value, number> values;
    for (std::size_t i = 0; i < number; ++i)
        values[i] = {texts[i].empty() ? "" : texts[i].data(), static_cast<int>(texts[i].size())};
    return pg_rows(link.ask_once(sql, values));
}

/// As a list for IN, which takes no empty one.
std::string list_of(const shard_set& shards) {
    std::string list = "-1";
    for (std::size_t i = 0; i < shard_count; ++i)
        if (shards[i]) list += fmt::format(", {}", i);
    return list;
}

/// Undone unless it was committed.
class turn {
  public:
    explicit turn(pg_link& link) : link_(link) {
        try {
            number_ = begin_turn(link_);
        } catch (const postgres_error&) {
            roll_back();
            throw;
        }
    }
    turn(const turn&) = delete;
    turn& operator=(const turn&) = delete;
    ~turn() { roll_back(); }

    std::int64_t number() const { return number_; }
    void commit() { link_.ask(R"sql(COMMIT)sql"); }

  private:
    void roll_back() {
        if (!link_.in_transaction()) return;
        try {
            link_.ask(R"sql(ROLLBACK)sql");
        } catch (const postgres_error&) {
            // The link is lost, and the transaction with it.
        }
    }

    pg_link& link_;
    std::int64_t number_ = 0;
};

/// Who has the name.
struct name_holder {
    std::string boot;
    node_process process;
    std::string expires_at;
    bool is_over = false; ///< it stopped, or its lease has run out
};

std::optional<name_holder> look_at_name(pg_link& link, const std::string& id) {
    pg_rows row = ask_with(
        link, R"sql(
            SELECT boot, host, pid, process_start, expires_at::TEXT, state = 2 OR expires_at < clock_timestamp()
            FROM nodes
            WHERE id = $1
        )sql",
        std::array<std::string_view, 1>{id});
    if (!row.next()) return std::nullopt;
    name_holder found;
    found.boot = row.text(0);
    found.process = {std::string(row.text(1)), row.integer(2), row.integer(3)};
    found.expires_at = row.text(4);
    found.is_over = row.integer(5) != 0;
    return found;
}

bool may_take_name(const std::optional<name_holder>& holder, const pg_node& self) {
    return !holder || holder->is_over || holder->boot == self.boot || holder->boot == self.former ||
           is_known_dead(holder->process);
}

std::string describe_refusal(const name_holder& holder, const pg_node& self) {
    return fmt::format(
        "another prooftrackd with cluster.node '{}' is living (host {}, pid {}): give each daemon a cluster.node of "
        "its "
        "own; the name of one that crashed on another machine is free {} s after its last heartbeat",
        self.id, holder.process.host_name(), holder.process.pid, lease_length.count() / 1000);
}

/// Of the starts that a query with one parameter gives. Not one that is at work: a commit that waits for its standby
/// must not be told to give up, as it would count as committed then without being there. What the role may not end
/// ends by itself.
void end_sessions(pg_link& link, const char* boots, const std::string& parameter) {
    const std::string by_boots = fmt::format(
        R"sql(
            SELECT pg_terminate_backend(pid)
            FROM pg_stat_activity
            WHERE application_name IN (SELECT 'prooftrackd ' || boot FROM ({}) b)
              AND pid <> pg_backend_pid()
              AND datname = current_database()
              AND (state LIKE 'idle%' OR wait_event_type = 'Client')
        )sql",
        boots);
    try {
        ask_with(link, by_boots, std::array<std::string_view, 1>{parameter});
    } catch (const postgres_error& error) {
        if (error.reach() == failure_reach::link) throw;
    }
}

/// False: somebody else was quicker.
bool take_name(pg_link& link, const pg_node& self) {
    turn now(link);
    if (!may_take_name(look_at_name(link, self.id), self)) return false;
    const node_process own = this_process();
    const std::string with_numbers = fmt::format(
        R"sql(
            INSERT INTO nodes (id, boot, host, pid, process_start, version, state, seen_at, expires_at)
            VALUES ($1, $2, $3, {}, {}, $4, 0, clock_timestamp(), clock_timestamp() + INTERVAL '{} ms')
            ON CONFLICT (id) DO UPDATE
            SET boot = EXCLUDED.boot,
                host = EXCLUDED.host,
                pid = EXCLUDED.pid,
                process_start = EXCLUDED.process_start,
                version = EXCLUDED.version,
                state = 0,
                seen_at = EXCLUDED.seen_at,
                expires_at = EXCLUDED.expires_at
        )sql",
        own.pid, own.start, lease_length.count());
    ask_with(link, with_numbers, std::array<std::string_view, 4>{self.id, self.boot, own.host, self.version});
    const std::string writer = fmt::format(
        R"sql(
            INSERT INTO writers (node, boot, batch, former_boot, former_batch)
            VALUES ($1, $2, {}, '', 0)
            ON CONFLICT (node) DO UPDATE
            SET former_boot = CASE WHEN writers.boot IN ('', EXCLUDED.boot) THEN writers.former_boot
                    ELSE writers.boot END,
                former_batch = CASE WHEN writers.boot IN ('', EXCLUDED.boot) THEN writers.former_batch
                    ELSE writers.batch END,
                boot = EXCLUDED.boot,
                batch = EXCLUDED.batch
        )sql",
        now.number());
    ask_with(link, writer, std::array<std::string_view, 2>{self.id, self.boot});
    now.commit();
    return true;
}

shard_set read_shards(std::string_view list) {
    shard_set shards;
    const char* at = list.data();
    const char* const end = at + list.size();
    while (at < end) {
        std::size_t number = shard_count;
        const auto [behind, error] = std::from_chars(at, end, number);
        if (error == std::errc() && number < shard_count) shards.set(number);
        at = std::find(behind, end, ' ');
        if (at < end) ++at;
    }
    return shards;
}

std::vector<shard_move> read_moves(pg_link& link) {
    pg_rows row(link.ask(R"sql(
        SELECT floor(extract(epoch FROM at) * 1000)::BIGINT, node, former, shards, how
        FROM moves
        ORDER BY no DESC
        LIMIT 50
    )sql"));
    std::vector<shard_move> moves;
    while (row.next()) {
        shard_move one;
        one.at = wall_time(milliseconds(row.integer(0)));
        one.node = row.text(1);
        one.former = row.text(2);
        one.shards = static_cast<std::size_t>(row.integer(3));
        one.how = static_cast<shard_gain>(row.integer(4));
        moves.push_back(std::move(one));
    }
    return moves;
}

void bury_expired(pg_link& link, const pg_node& self) {
    ask_with(
        link, R"sql(
            UPDATE nodes
            SET state = 2
            WHERE state < 2
              AND expires_at < clock_timestamp()
              AND id <> $1
        )sql",
        std::array<std::string_view, 1>{self.id});
}

/// Of those who are gone: what they could still write with, and what nobody wants to see any more.
void clear_away(pg_link& link) {
    // The number of its last commit stays: it may not know yet what became of one.
    link.post(R"sql(
        UPDATE writers
        SET boot = '', former_boot = boot, former_batch = batch
        WHERE boot <> ''
          AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.id = node AND nodes.boot = writers.boot AND state < 2)
    )sql");
    link.post(R"sql(DELETE FROM writers WHERE boot = '' AND NOT EXISTS (SELECT 1 FROM nodes WHERE id = node))sql");
    link.post(R"sql(
        DELETE FROM nodes
        WHERE state = 2
          AND seen_at < clock_timestamp() - INTERVAL '1 hour'
          AND NOT EXISTS (SELECT 1 FROM shards WHERE owner = nodes.id)
    )sql");
    link.ask(R"sql(DELETE FROM moves WHERE no <= (SELECT max(no) FROM moves) - 1000)sql");
}

/// The first to come when nobody else is there takes what it finds as at any start: it was nobody's, though an earlier
/// daemon's name may stand there. Those who were there when an owner's lease ran out take over from it.
std::string claim_sql(const shard_claim& claim) {
    return fmt::format(
        R"sql(
            WITH free AS (
                SELECT s.no, coalesce(s.owner, '') AS former, s.epoch,
                    CASE WHEN s.owner IS NULL THEN 0
                         WHEN s.owner = $1 OR n.id IS NULL THEN {lease}
                         ELSE floor(extract(epoch FROM clock_timestamp() - n.seen_at) * 1000)::BIGINT END AS silent
                FROM shards s
                LEFT JOIN nodes n ON n.id = s.owner
                WHERE s.no IN ({wanted})
                  AND (s.owner IS NULL OR n.id IS NULL OR n.state = 2 OR (s.owner = $1 AND s.no NOT IN ({mine})))
                ORDER BY s.no
                FOR UPDATE OF s
            ),
            others AS (
                SELECT count(*) > 0 AS are_there
                FROM nodes
                WHERE id <> $1
                  AND state < 2
            ),
            judged AS (
                SELECT no, former, silent,
                    CASE WHEN former = '' AND epoch > 0 AND (are_there OR {owns}) THEN 1
                         WHEN former <> '' AND (are_there OR (former <> $1 AND {joined} > silent - {lease})) THEN 2
                         ELSE 0 END AS how
                FROM free, others
            ),
            taken AS (
                UPDATE shards
                SET owner = $1,
                    epoch = epoch + 1
                WHERE no IN (SELECT no FROM free)
            ),
            noted AS (
                INSERT INTO moves (at, node, former, shards, how)
                SELECT clock_timestamp(), $1, former, count(*), how
                FROM judged
                GROUP BY former, how
            )
            SELECT no, how, silent
            FROM judged
            ORDER BY no
        )sql",
        fmt::arg("lease", lease_length.count()), fmt::arg("wanted", list_of(claim.shards)),
        fmt::arg("mine", list_of(claim.mine)), fmt::arg("owns", claim.mine.any()),
        fmt::arg("joined", claim.joined_ago.count()));
}

} // namespace

std::string session_name(const std::string& boot) { return "prooftrackd " + boot; }

std::int64_t begin_turn(pg_link& link) {
    leave_mark(link);
    link.post(R"sql(BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE)sql");
    pg_rows row(link.ask(R"sql(UPDATE prooftrackd SET batch = batch + 1 WHERE one = 1 RETURNING batch)sql"));
    if (!row.next()) throw postgres_error("02000", "the row that orders the commits has gone from prooftrackd");
    return row.integer(0);
}

std::optional<std::string> join_cluster(pg_link& link, const pg_node& self, milliseconds patience) {
    const steady_time until = std::chrono::steady_clock::now() + patience;
    std::optional<name_holder> first;
    while (true) {
        const auto holder = look_at_name(link, self.id);
        if (may_take_name(holder, self)) {
            // Whoever is paused may have the turn.
            end_sessions_of_expired(link, self);
            if (holder && holder->boot != self.boot && holder->boot != self.former)
                end_sessions(link, R"sql(SELECT $1::TEXT AS boot)sql", holder->boot);
            if (take_name(link, self)) return std::nullopt;
            continue; // it is somebody's now
        }
        if (!first || first->boot != holder->boot) first = holder;
        if (holder->expires_at != first->expires_at || std::chrono::steady_clock::now() >= until)
            return describe_refusal(*holder, self);
        std::this_thread::sleep_for(between_name_looks);
    }
}

bool renew_lease(pg_link& link, const pg_node& self) {
    const std::string beat = fmt::format(
        R"sql(
            UPDATE nodes
            SET seen_at = clock_timestamp(),
                expires_at = clock_timestamp() + INTERVAL '{} ms'
            WHERE id = $1
              AND boot = $2
              AND state < 2
            RETURNING 1
        )sql",
        lease_length.count());
    return ask_with(link, beat, std::array<std::string_view, 2>{self.id, self.boot}).next();
}

pg_members read_members(pg_link& link, const std::string& node) {
    pg_rows row(link.ask(R"sql(
        SELECT id, state, version, floor(extract(epoch FROM clock_timestamp() - seen_at))::BIGINT,
            state < 2 AND expires_at < clock_timestamp(),
            coalesce((SELECT string_agg(no::TEXT, ' ') FROM shards WHERE owner = id), ''),
            (SELECT batch FROM prooftrackd WHERE one = 1)
        FROM nodes
        WHERE state < 2
           OR seen_at > clock_timestamp() - INTERVAL '1 hour'
           OR EXISTS (SELECT 1 FROM shards WHERE owner = id)
        ORDER BY state, id
        LIMIT 1000
    )sql"));
    struct entry {
        cluster_node node;
        bool has_expired = false;
        shard_set shards;
    };
    pg_members members;
    std::vector<entry> entries;
    while (row.next()) {
        entry one;
        one.node.id = row.text(0);
        one.node.state = static_cast<node_state>(row.integer(1));
        one.node.version = row.text(2);
        one.node.seen_ago = seconds(std::max<std::int64_t>(row.integer(3), 0));
        one.has_expired = row.integer(4) != 0;
        one.shards = read_shards(row.text(5));
        one.node.shards = one.shards.count();
        members.batch = row.integer(6);
        entries.push_back(std::move(one));
    }
    std::sort(entries.begin(), entries.end(), [](const entry& a, const entry& b) { return a.node.id < b.node.id; });
    members.view.node = node;
    members.view.owners.fill(-1);
    for (entry& each : entries) {
        if (each.node.id == node) members.view.owned = each.shards;
        for (std::size_t i = 0; i < shard_count; ++i)
            if (each.shards[i]) members.view.owners[i] = static_cast<std::int16_t>(members.view.nodes.size());
        members.has_expired.push_back(each.has_expired);
        members.view.nodes.push_back(std::move(each.node));
    }
    members.view.moves = read_moves(link);
    return members;
}

void end_sessions_of_expired(pg_link& link, const pg_node& self) {
    end_sessions(
        link, R"sql(
            SELECT boot
            FROM nodes
            WHERE state < 2
              AND expires_at < clock_timestamp()
              AND id <> $1
        )sql",
        self.id);
}

std::optional<std::vector<gained_shards>> claim_shards(pg_link& link, const pg_node& self, const shard_claim& claim) {
    turn now(link);
    pg_rows own = ask_with(
        link, R"sql(SELECT 1 FROM nodes WHERE id = $1 AND boot = $2 AND state = 0 FOR UPDATE)sql",
        std::array<std::string_view, 2>{self.id, self.boot});
    if (!own.next()) return std::nullopt;
    if (claim.buries) bury_expired(link, self);
    clear_away(link);
    pg_rows row = ask_with(link, claim_sql(claim), std::array<std::string_view, 1>{self.id});
    std::array<gained_shards, 3> ways;
    while (row.next()) {
        gained_shards& one = ways.at(static_cast<std::size_t>(row.integer(1)));
        one.how = static_cast<shard_gain>(row.integer(1));
        one.shards.set(static_cast<std::size_t>(row.integer(0)));
        one.silent = std::max(one.silent, milliseconds(row.integer(2)));
    }
    now.commit();
    std::vector<gained_shards> gained;
    for (const gained_shards& each : ways)
        if (each.shards.any()) gained.push_back(each);
    return gained;
}

void free_shards(pg_link& link, const pg_node& self, const shard_set& shards) {
    const std::string with_list = fmt::format(
        R"sql(
            WITH me AS (
                SELECT id
                FROM nodes
                WHERE id = $1
                  AND boot = $2
                  AND state < 2
                FOR SHARE
            )
            UPDATE shards
            SET owner = NULL
            FROM me
            WHERE owner = me.id
              AND no IN ({})
        )sql",
        list_of(shards));
    ask_with(link, with_list, std::array<std::string_view, 2>{self.id, self.boot});
}

void begin_leaving(pg_link& link, const pg_node& self) {
    ask_with(
        link, R"sql(UPDATE nodes SET state = 1 WHERE id = $1 AND boot = $2 AND state = 0)sql",
        std::array<std::string_view, 2>{self.id, self.boot});
}

void end_membership(pg_link& link, const pg_node& self) {
    ask_with(
        link, R"sql(
            WITH me AS (
                UPDATE nodes
                SET state = 2,
                    seen_at = clock_timestamp(),
                    expires_at = clock_timestamp()
                WHERE id = $1
                  AND boot = $2
                  AND state < 2
                RETURNING id
            )
            UPDATE shards
            SET owner = NULL
            FROM me
            WHERE owner = me.id
        )sql",
        std::array<std::string_view, 2>{self.id, self.boot});
}

void notify(pg_link& link, std::string_view channel, const std::string& boot) {
    ask_with(link, R"sql(SELECT pg_notify($1, $2))sql", std::array<std::string_view, 2>{channel, boot});
}

} // namespace prooftrack::store
