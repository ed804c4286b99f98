#include "store/maintenance_ops.hpp"

#include "store/control_ops.hpp"
#include "store/disk_space.hpp"

namespace prooftrack::store {
namespace {

std::optional<track::maintenance_mark> read_maintenance_mark(database& db) {
    query row = db.sql(R"sql(SELECT since, note FROM maintenance WHERE one = 1)sql").select();
    if (!row.next()) return std::nullopt;
    return track::maintenance_mark{row.time(0), row.string(1)};
}

/// PostgreSQL looks at every file of the database: not for each status. What its disk has left it does not say.
disk_usage measure_remote(database& db) {
    constexpr std::chrono::seconds between_measures{10};
    const auto now = std::chrono::steady_clock::now();
    if (!db.measured_at || now - *db.measured_at >= between_measures) {
        query row = db.sql(R"sql(SELECT pg_database_size(current_database()))sql").select();
        if (row.next()) db.remote_bytes = row.count(0);
        db.measured_at = now;
    }
    disk_usage usage;
    usage.db_bytes = db.remote_bytes;
    return usage;
}

} // namespace

op_result<store_status> read_status(database& db) {
    store_status status;
    const disk_usage usage = db.connection->is_remote() ? measure_remote(db) : measure_disk(db.path);
    status.db_bytes = usage.db_bytes;
    status.wal_bytes = usage.wal_bytes;
    status.free_bytes = usage.free_bytes;
    status.capacity_bytes = usage.capacity_bytes;
    status.first_seq = db.sums.first_event();
    status.last_seq = db.sums.last_event();
    status.log_id = db.sums.log_id();
    for (std::size_t state = 0; state < track::tracking_state_count; ++state) {
        for (std::size_t kind = 0; kind < totals::kinds; ++kind) {
            const count_cell cell{static_cast<track::tracking_state>(state), static_cast<track::status_kind>(kind)};
            if (const std::uint64_t number = db.sums.transactions(cell))
                status.transactions[{cell.state, cell.kind}] = number;
        }
    }
    for (const lane_total& lane : db.sums.lanes()) {
        if (lane.callback != lane.lane && lane.pending == 0 && lane.dead == 0 && !lane.failing_since) continue;
        lane_summary summary;
        summary.lane = lane.lane;
        summary.callback = lane.callback;
        summary.pending = static_cast<std::uint64_t>(lane.pending);
        summary.dead = static_cast<std::uint64_t>(lane.dead);
        summary.failing_since = lane.failing_since;
        if (lane.pending > 0) {
            static constexpr sql_literal oldest_pending = R"sql(
                SELECT recorded_at
                FROM deliveries d INDEXED BY deliveries_pending
                JOIN events ON seq = event_seq
                WHERE d.lane = ? AND d.state = 0 AND d.replay IS NULL
                ORDER BY d.id
                LIMIT 1
            )sql";
            query row = db.sql(oldest_pending).select(lane.row);
            if (row.next()) summary.oldest_pending = row.time(0);
        }
        status.lanes[lane.lane] = std::move(summary);
    }
    status.pauses = read_pauses(db);
    query row = db.sql(R"sql(SELECT count(*) FROM consumers)sql").select();
    if (row.next()) status.consumers = static_cast<std::size_t>(row.integer(0));
    status.maintenance = read_maintenance_mark(db);
    return status;
}

op_result<std::monostate> write_probe(database& db) {
    db.sql(R"sql(UPDATE counters SET probes = probes + 1 WHERE one = 1)sql").execute();
    return std::monostate();
}

op_result<std::string> exchange_base_url(database& db, const std::string& base_url) {
    std::string before;
    {
        query row = db.sql(R"sql(SELECT base_url FROM counters WHERE one = 1)sql").select();
        if (row.next()) before = row.string(0);
    }
    if (before != base_url) db.sql(R"sql(UPDATE counters SET base_url = ? WHERE one = 1)sql").execute(base_url);
    return before;
}

op_result<std::optional<track::maintenance_mark>> set_maintenance_mark(
    database& db, const std::optional<track::maintenance_mark>& mark) {
    db.tell_all(mail_kind::controls);
    if (!mark) {
        db.sql(R"sql(DELETE FROM maintenance)sql").execute();
        return std::optional<track::maintenance_mark>();
    }
    static constexpr sql_literal begin_or_renote = R"sql(
        INSERT INTO maintenance (one, since, note)
        VALUES (1, ?, ?)
        ON CONFLICT (one) DO UPDATE SET note = excluded.note
    )sql";
    const std::optional<std::string_view> note =
        mark->note.empty() ? std::nullopt : std::optional<std::string_view>(mark->note);
    db.sql(begin_or_renote).execute(mark->since, note);
    return read_maintenance_mark(db);
}

void forget_idle_lanes(db_connection& db) {
    db.execute(R"sql(
        DELETE FROM lanes
        WHERE total = 0
          AND failing_since IS NULL
          AND callback = 'callback_url'
    )sql");
}

} // namespace prooftrack::store
