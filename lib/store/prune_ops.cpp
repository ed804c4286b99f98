#include <algorithm>
#include <chrono>
#include <set>

#include "store/maintenance_ops.hpp"
#include "store/row_codec.hpp"
#include "store/segments.hpp"

namespace prooftrack::store {
namespace {

using clock = std::chrono::steady_clock;

/// A transaction that may go.
struct candidate {
    std::int64_t row = 0;
    std::int64_t ended_at = 0;
    count_cell cell;
};

bool is_owed(database& db, std::int64_t transaction_row) {
    static constexpr sql_literal pending_of = R"sql(
        SELECT 1
        FROM deliveries INDEXED BY deliveries_of
        WHERE transaction_row = ? AND state = 0
        LIMIT 1
    )sql";
    query row = db.sql(pending_of).select(transaction_row);
    return row.next();
}

/// Removes deliveries (none is pending) and takes them out of the lanes' counts. `event` limits it to those of one
/// event.
void delete_deliveries(database& db, std::int64_t transaction_row, std::optional<event_seq> event) {
    struct ended_delivery {
        std::int64_t id;
        std::int64_t lane;
        bool dead;
    };
    std::vector<ended_delivery> gone;
    {
        static constexpr sql_literal deliveries_of = R"sql(
            SELECT id, lane, state, event_seq
            FROM deliveries INDEXED BY deliveries_of
            WHERE transaction_row = ?
        )sql";
        query row = db.sql(deliveries_of).select(transaction_row);
        while (row.next()) {
            if (event && row.count(3) != value_of(*event)) continue;
            gone.push_back(
                {row.integer(0), row.integer(1), read_delivery_state(row, 2) == track::delivery_state::dead});
        }
    }
    for (const ended_delivery& each : gone) {
        db.sql(R"sql(DELETE FROM deliveries WHERE id = ?)sql").execute(each.id);
        db.sums.count_deliveries(each.lane, 0, each.dead ? -1 : 0, -1);
    }
}

void delete_transaction(database& db, const candidate& gone) {
    delete_deliveries(db, gone.row, std::nullopt);
    db.sql(R"sql(DELETE FROM history WHERE transaction_row = ?)sql").execute(gone.row);
    db.sql(R"sql(DELETE FROM proofs WHERE transaction_row = ?)sql").execute(gone.row);
    db.sql(R"sql(DELETE FROM transactions WHERE row = ?)sql").execute(gone.row);
    db.sums.count_transaction(gone.cell, std::nullopt);
}

/// Goes on where the last call stopped, so that transactions on which something is owed for long do not hide those
/// behind them.
void prune_transactions(
    database& db, const prune_request& request, clock::time_point until, prune_result& result,
    std::set<std::int64_t>& touched) {
    std::vector<candidate> found;
    {
        static constexpr sql_literal ended = R"sql(
            SELECT row, ended_at, state, kind
            FROM transactions INDEXED BY transactions_ended
            WHERE ended_at IS NOT NULL
              AND watched = 0
              AND ended_at < ?
              AND (ended_at, row) > (?, ?)
            ORDER BY ended_at, row
            LIMIT ?
        )sql";
        query row = db.sql(ended).select(request.ended_before, db.prune_after_time, db.prune_after_row, request.limit);
        while (row.next()) {
            found.push_back(
                {row.integer(0),
                 row.integer(1),
                 {read_tracking_state(row, 2), static_cast<track::status_kind>(row.integer(3))}});
        }
    }
    for (const candidate& each : found) {
        // At least one a call, however slow the disk is: else it would never come to an end.
        if (&each != &found.front() && clock::now() >= until) {
            result.more = true;
            return;
        }
        db.prune_after_time = each.ended_at;
        db.prune_after_row = each.row;
        if (is_owed(db, each.row)) continue;
        delete_transaction(db, each);
        touched.insert(segment_of(each.row));
        ++result.transactions;
    }
    if (found.size() == request.limit) {
        result.more = true;
    } else {
        db.prune_after_time = 0; // the round is over
        db.prune_after_row = 0;
    }
}

/// The oldest event, as far as pruning looks at it.
struct oldest_event {
    event_seq seq{};
    std::int64_t transaction_row = 0;
    wall_time recorded_at{};
    bool has_transaction = false;
};

std::optional<oldest_event> read_oldest(database& db) {
    static constexpr sql_literal event_by_seq = R"sql(
        SELECT e.seq, e.transaction_row, e.recorded_at, t.row IS NOT NULL
        FROM events e
        LEFT JOIN transactions t ON t.row = e.transaction_row
        WHERE e.seq = ?
    )sql";
    query row = db.sql(event_by_seq).select(db.sums.first_event());
    if (!row.next()) return std::nullopt;
    return oldest_event{event_seq{row.count(0)}, row.integer(1), row.time(2), row.flag(3)};
}

bool is_event_owed(database& db, const oldest_event& event) {
    static constexpr sql_literal pending_of_event = R"sql(
        SELECT 1
        FROM deliveries INDEXED BY deliveries_of
        WHERE transaction_row = ?
          AND event_seq = ?
          AND state = 0
        LIMIT 1
    )sql";
    query row = db.sql(pending_of_event).select(event.transaction_row, event.seq);
    return row.next();
}

void prune_events(database& db, const prune_request& request, clock::time_point until, prune_result& result) {
    const auto read_slowest = [&db](event_seq behind) {
        std::vector<std::string> names;
        static constexpr sql_literal behind_seq = R"sql(
            SELECT name
            FROM consumers
            WHERE seq < ?
            ORDER BY name
        )sql";
        query row = db.sql(behind_seq).select(behind);
        while (row.next()) names.push_back(row.string(0));
        return names;
    };
    while (const auto event = read_oldest(db)) {
        if (result.events >= request.limit || (result.events > 0 && clock::now() >= until)) {
            result.more = true;
            break;
        }
        const bool is_old = event->recorded_at < request.consumed_before;
        if (event->has_transaction && (!is_old || is_event_owed(db, *event))) break;
        std::vector<std::string> losers = read_slowest(event->seq);
        if (!losers.empty() && !is_old) break;
        if (event->has_transaction) delete_deliveries(db, event->transaction_row, event->seq);
        db.sql(R"sql(DELETE FROM events WHERE seq = ?)sql").execute(event->seq);
        db.sums.set_first_event(event_seq{value_of(event->seq) + 1});
        ++result.events;
        for (std::string& name : losers) {
            if (std::find(result.overtaken_consumers.begin(), result.overtaken_consumers.end(), name) ==
                result.overtaken_consumers.end()) {
                result.overtaken_consumers.push_back(std::move(name));
            }
        }
    }
}

/// What searches keep of the segments that became empty.
void prune_search(database& db, const std::set<std::int64_t>& touched) {
    for (const std::int64_t segment : touched) {
        static constexpr sql_literal any_left = R"sql(
            SELECT 1
            FROM transactions
            WHERE row BETWEEN ? AND ?
            LIMIT 1
        )sql";
        query row = db.sql(any_left).select(first_key_of(segment), last_key_of(segment));
        if (!row.next()) db.searched.remove_segment(*db.connection, segment);
    }
    remove_ranges_below(
        *db.connection, ranged_list::recorded, segment_of(static_cast<std::int64_t>(value_of(db.sums.first_event()))));
    query row = db.sql(R"sql(SELECT min(id) FROM deliveries)sql").select();
    if (row.next() && !row.is_null(0))
        remove_ranges_below(*db.connection, ranged_list::owed, segment_of(row.integer(0)));
}

void prune_session_keys(database& db, const prune_request& request, prune_result& result) {
    static constexpr sql_literal oldest_keys = R"sql(
        DELETE FROM session_keys
        WHERE key IN (
            SELECT key
            FROM session_keys INDEXED BY session_keys_age
            WHERE claimed_at < ?
            ORDER BY claimed_at
            LIMIT ?
        )
    )sql";
    db.sql(oldest_keys).execute(request.ended_before, request.limit);
    if (db.connection->changes() == static_cast<std::int64_t>(request.limit)) result.more = true;
}

} // namespace

op_result<prune_result> prune_database(database& db, const prune_request& request) {
    prune_result result;
    if (request.limit == 0) return result;
    const auto start = clock::now();
    const auto budget = db.pace.budget();
    db.pace.on_batch();
    std::set<std::int64_t> touched; // segments of transactions
    prune_transactions(db, request, start + budget / 2, result, touched);
    // Events get time of their own: a long round of transactions must not starve them.
    prune_events(db, request, start + budget, result);
    prune_session_keys(db, request, result);
    prune_search(db, touched);
    return result;
}

} // namespace prooftrack::store
