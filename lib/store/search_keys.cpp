#include "store/search_keys.hpp"

#include <algorithm>
#include <array>

#include "store/row_codec.hpp"
#include "store/search_index.hpp"
#include "store/segments.hpp"

namespace prooftrack::store {
namespace {

/// More ids that begin alike than this are found by looking at the newest rows first.
constexpr std::size_t most_sorted_rows = 10'000;

std::vector<std::int64_t> all_keys(query row) {
    std::vector<std::int64_t> keys;
    while (row.next()) keys.push_back(row.integer(0));
    return keys;
}

std::optional<key_span> read_span(query row) {
    if (!row.next() || row.is_null(0)) return std::nullopt;
    return key_span{row.integer(0), row.integer(1)};
}

/// The greatest key below a bound, which is the last parameter of `newest`, behind `values`.
template <class... Values>
key_merge::source keys_below(database& db, sql_literal newest, Values... values) {
    return [&db, newest, values...](std::int64_t below) { return first_key(db.sql(newest).select(values..., below)); };
}

key_merge one_source(key_merge::source keys) {
    key_merge merge;
    merge.add(std::move(keys));
    return merge;
}

key_merge all_transactions(database& db) {
    static constexpr sql_literal newest = R"sql(
        SELECT row
        FROM transactions
        WHERE row < ?
        ORDER BY row DESC
        LIMIT 1
    )sql";
    return one_source(keys_below(db, newest));
}

key_merge transactions_with_odd_status(database& db, const std::string& status) {
    static constexpr sql_literal odd_status = R"sql(
        SELECT row
        FROM transactions INDEXED BY transactions_odd_status
        WHERE kind = 6
          AND status = ?
          AND row < ?
        ORDER BY row DESC
        LIMIT 1
    )sql";
    return one_source(keys_below(db, odd_status, status));
}

key_merge transactions_in_cells(database& db, const track::transaction_query& wanted) {
    key_merge keys;
    for (std::size_t s = 0; s < track::tracking_state_count; ++s) {
        for (std::size_t k = 0; k < totals::kinds; ++k) {
            const count_cell cell{static_cast<track::tracking_state>(s), static_cast<track::status_kind>(k)};
            if (wanted.state && cell.state != *wanted.state) continue;
            if (wanted.only_open && is_ended(cell.state)) continue;
            if (wanted.status && cell.kind != track::classify_status(*wanted.status)) continue;
            if (db.sums.transactions(cell) == 0) continue;
            static constexpr sql_literal in_cell = R"sql(
                SELECT row
                FROM transactions INDEXED BY transactions_listed
                WHERE state = ?
                  AND kind = ?
                  AND row < ?
                ORDER BY row DESC
                LIMIT 1
            )sql";
            keys.add(keys_below(db, in_cell, cell.state, cell.kind));
        }
    }
    return keys;
}

/// The times of a query as an index is asked: both ends are left out.
struct time_range {
    wall_time after = wall_time::min();
    wall_time before = wall_time::max();
};
time_range range_of(const std::optional<wall_time>& after, const std::optional<wall_time>& before) {
    return {after.value_or(wall_time::min()), before.value_or(wall_time::max())};
}

std::optional<key_span> span_of_transactions(database& db) {
    static constexpr sql_literal ends = R"sql(
        SELECT (SELECT min(row) FROM transactions), (SELECT max(row) FROM transactions)
    )sql";
    return read_span(db.sql(ends).select());
}

key_merge transactions_settled(database& db, time_range times) {
    return one_source(keys_by_segment(segments_of(span_of_transactions(db)), [&db, times](std::int64_t segment) {
        static constexpr sql_literal settled = R"sql(
            SELECT row
            FROM transactions INDEXED BY transactions_settled
            WHERE settled_at IS NOT NULL
              AND row >> 12 = ?
              AND settled_at > ?
              AND settled_at < ?
        )sql";
        return all_keys(db.sql(settled).select(segment, times.after, times.before));
    }));
}

/// Milliseconds as search_index keeps them.
std::int64_t number_of(wall_time time) { return time.time_since_epoch().count(); }

/// Without another filter each segment is read for its rows; beside one it is enough to know the segments.
key_merge transactions_tracked(database& db, time_range times, bool is_alone) {
    std::vector<std::int64_t> segments =
        segments_in_range(*db.connection, ranged_list::tracked, number_of(times.after), number_of(times.before));
    if (!is_alone) return one_source(keys_of_segments(std::move(segments)));
    return one_source(keys_by_segment(std::move(segments), [&db, times](std::int64_t segment) {
        static constexpr sql_literal tracked = R"sql(
            SELECT row
            FROM transactions
            WHERE row BETWEEN ? AND ?
              AND tracked_at > ?
              AND tracked_at < ?
        )sql";
        return all_keys(db.sql(tracked).select(first_key_of(segment), last_key_of(segment), times.after, times.before));
    }));
}

key_merge transactions_with_member(database& db, const track::metadata_filter& wanted) {
    return one_source(keys_by_segment(segments_of(span_of_transactions(db)), [&db, wanted](std::int64_t segment) {
        return keys_with_member(*db.connection, segment, wanted.key, wanted.value);
    }));
}

/// Whether the lane may have one in that state, which is not `delivered`.
bool may_hold(const lane_total& lane, track::delivery_state state) {
    if (state == track::delivery_state::pending) return lane.pending > 0;
    if (state == track::delivery_state::dead) return lane.dead > 0;
    return lane.has_dismissed && lane.total > lane.pending + lane.dead;
}

/// What lanes have, whose number callback_urls make: nullopt when a look at each costs more than a page's rows.
std::optional<key_merge> few_enough(key_merge keys) {
    if (keys.sources() > most_rows_looked_at) return std::nullopt;
    return keys;
}

std::optional<key_merge> transactions_owed_to(database& db, const std::string& callback) {
    key_merge keys;
    for (const lane_total& lane : db.sums.lanes()) {
        if (lane.callback != callback) continue;
        if (may_hold(lane, track::delivery_state::pending)) {
            static constexpr sql_literal pending = R"sql(
                SELECT transaction_row
                FROM deliveries INDEXED BY deliveries_waiting
                WHERE state = 0
                  AND lane = ?
                  AND transaction_row < ?
                ORDER BY transaction_row DESC
                LIMIT 1
            )sql";
            keys.add(keys_below(db, pending, lane.row));
        }
        if (may_hold(lane, track::delivery_state::dead) || may_hold(lane, track::delivery_state::dismissed)) {
            static constexpr sql_literal given_up = R"sql(
                SELECT transaction_row
                FROM deliveries INDEXED BY deliveries_given_up
                WHERE state >= 2
                  AND lane = ?
                  AND transaction_row < ?
                ORDER BY transaction_row DESC
                LIMIT 1
            )sql";
            keys.add(keys_below(db, given_up, lane.row));
        }
    }
    return few_enough(std::move(keys));
}

/// The 16 bytes between which the ids lie that are kept as bytes and begin with `prefix`; nullopt when none can.
std::optional<std::pair<std::string, std::string>> packed_range(std::string_view prefix) {
    constexpr std::string_view least = "00000000-0000-0000-0000-000000000000";
    constexpr std::string_view greatest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
    if (prefix.size() > least.size()) return std::nullopt;
    const std::string first = std::string(prefix) + std::string(least.substr(prefix.size()));
    const std::string last = std::string(prefix) + std::string(greatest.substr(prefix.size()));
    const packed_id packed_first(first);
    const packed_id packed_last(last);
    if (!packed_first.is_uuid() || !packed_last.is_uuid()) return std::nullopt;
    return std::pair(std::string(packed_first.bytes()), std::string(packed_last.bytes()));
}

/// nullopt when they are too many to be sorted.
std::optional<key_merge> transactions_with_prefix(database& db, const std::string& prefix) {
    std::vector<std::int64_t> rows;
    if (!is_plain_ascii(prefix)) return one_source(keys_of_list(std::move(rows)));
    const auto take = [&rows](query row) {
        while (row.next()) rows.push_back(row.integer(0));
    };
    // '~' is the greatest character of an id.
    static constexpr sql_literal text_ids = R"sql(
        SELECT row
        FROM transactions
        WHERE id BETWEEN ? AND ?
        LIMIT ?
    )sql";
    take(db.sql(text_ids).select(std::string_view(prefix), std::string_view(prefix + "\x7f"), most_sorted_rows + 1));
    if (const auto packed = packed_range(prefix); packed && db.sql(text_ids).packs_ids()) {
        take(db.sql(text_ids).select(blob_view{packed->first}, blob_view{packed->second}, most_sorted_rows + 1));
    }
    if (rows.size() > most_sorted_rows) return std::nullopt;
    return one_source(keys_of_list(std::move(rows)));
}

key_merge joined(std::vector<key_merge> filters, key_merge (*everything)(database&), database& db) {
    if (filters.empty()) return everything(db);
    if (filters.size() == 1) return std::move(filters.front());
    return one_source(keys_in_all(std::move(filters)));
}

key_merge all_deliveries(database& db) {
    static constexpr sql_literal newest = R"sql(
        SELECT id
        FROM deliveries
        WHERE id < ?
        ORDER BY id DESC
        LIMIT 1
    )sql";
    return one_source(keys_below(db, newest));
}

key_merge deliveries_of_transaction(database& db, std::int64_t transaction_row) {
    static constexpr sql_literal of_transaction = R"sql(
        SELECT id
        FROM deliveries INDEXED BY deliveries_of
        WHERE transaction_row = ? AND id < ?
        ORDER BY id DESC
        LIMIT 1
    )sql";
    return one_source(keys_below(db, of_transaction, transaction_row));
}

/// How a lane's deliveries in that state are found. Most are `delivered`, which has no index: not to be asked for.
sql_literal deliveries_in_state(track::delivery_state state) {
    static constexpr sql_literal pending_of_lane = R"sql(
        SELECT id
        FROM deliveries INDEXED BY deliveries_pending
        WHERE lane = ?
          AND state = 0
          AND id < ?
        ORDER BY id DESC
        LIMIT 1
    )sql";
    static constexpr sql_literal dead_of_lane = R"sql(
        SELECT id
        FROM deliveries INDEXED BY deliveries_dead
        WHERE lane = ?
          AND state = 2
          AND id < ?
        ORDER BY id DESC
        LIMIT 1
    )sql";
    static constexpr sql_literal dismissed_of_lane = R"sql(
        SELECT id
        FROM deliveries INDEXED BY deliveries_dismissed
        WHERE lane = ?
          AND state = 3
          AND id < ?
        ORDER BY id DESC
        LIMIT 1
    )sql";
    if (state == track::delivery_state::pending) return pending_of_lane;
    return state == track::delivery_state::dead ? dead_of_lane : dismissed_of_lane;
}

/// Pending, dead or dismissed ones.
std::optional<key_merge> deliveries_in_lanes(
    database& db, track::delivery_state state, const std::optional<std::string>& callback) {
    const sql_literal of_lane = deliveries_in_state(state);
    key_merge keys;
    for (const lane_total& lane : db.sums.lanes()) {
        if (!may_hold(lane, state) || (callback && lane.callback != *callback)) continue;
        keys.add(keys_below(db, of_lane, lane.row));
    }
    return few_enough(std::move(keys));
}

std::vector<std::int64_t> event_segments(database& db, wall_time since, wall_time until) {
    return segments_in_range(*db.connection, ranged_list::recorded, number_of(since), number_of(until));
}

/// The events of a time in one segment of the log, in their order.
std::vector<std::int64_t> events_in_segment(
    database& db, std::int64_t segment, std::int64_t first, wall_time since, wall_time until) {
    static constexpr sql_literal of_time = R"sql(
        SELECT seq
        FROM events
        WHERE seq BETWEEN ? AND ?
          AND recorded_at >= ?
          AND recorded_at < ?
        ORDER BY seq
    )sql";
    return all_keys(db.sql(of_time).select(std::max(first, first_key_of(segment)), last_key_of(segment), since, until));
}

/// The seqs between which the events of a time lie: with a clock that was set back, others lie between them too.
std::optional<key_span> seqs_of_time(database& db, wall_time since, wall_time until) {
    const std::vector<std::int64_t> segments = event_segments(db, since, until);
    std::optional<key_span> found;
    for (auto at = segments.begin(); at != segments.end() && !found; ++at) {
        const auto seqs = events_in_segment(db, *at, 0, since, until);
        if (!seqs.empty()) found = key_span{seqs.front(), seqs.back()};
    }
    if (!found) return std::nullopt;
    for (auto at = segments.rbegin(); at != segments.rend(); ++at) {
        const auto seqs = events_in_segment(db, *at, 0, since, until);
        if (!seqs.empty()) return key_span{found->first, seqs.back()};
    }
    return found;
}

key_merge deliveries_of_time(database& db, wall_time since, wall_time until) {
    const auto seqs = seqs_of_time(db, since, until);
    if (!seqs) return {};
    std::vector<std::int64_t> segments = segments_in_range(*db.connection, ranged_list::owed, seqs->first, seqs->last);
    return one_source(keys_by_segment(std::move(segments), [&db, seqs](std::int64_t segment) {
        static constexpr sql_literal of_events = R"sql(
            SELECT id
            FROM deliveries
            WHERE id BETWEEN ? AND ?
              AND event_seq BETWEEN ? AND ?
        )sql";
        return all_keys(db.sql(of_events).select(first_key_of(segment), last_key_of(segment), seqs->first, seqs->last));
    }));
}

} // namespace

key_merge transaction_keys(database& db, const track::transaction_query& wanted) {
    db.searched.flush(*db.connection);
    std::vector<key_merge> filters;
    for (const track::metadata_filter& member : wanted.metadata)
        filters.push_back(transactions_with_member(db, member));
    if (wanted.id_prefix) {
        if (auto rows = transactions_with_prefix(db, *wanted.id_prefix)) filters.push_back(*std::move(rows));
    }
    if (wanted.not_delivered_to) {
        if (auto owed = transactions_owed_to(db, *wanted.not_delivered_to)) filters.push_back(*std::move(owed));
    }
    if (wanted.status && track::classify_status(*wanted.status) == track::status_kind::other) {
        filters.push_back(transactions_with_odd_status(db, *wanted.status));
    } else if (wanted.state || wanted.status || wanted.only_open) {
        filters.push_back(transactions_in_cells(db, wanted));
    }
    if (wanted.settled_after || wanted.settled_before)
        filters.push_back(transactions_settled(db, range_of(wanted.settled_after, wanted.settled_before)));
    if (wanted.tracked_after || wanted.tracked_before)
        filters.push_back(
            transactions_tracked(db, range_of(wanted.tracked_after, wanted.tracked_before), filters.empty()));
    return joined(std::move(filters), all_transactions, db);
}

key_merge delivery_keys(
    database& db, const track::delivery_query& wanted, std::optional<std::int64_t> transaction_row) {
    db.searched.flush(*db.connection);
    std::vector<key_merge> filters;
    if (transaction_row) {
        filters.push_back(deliveries_of_transaction(db, *transaction_row)); // few: nothing else narrows them
        return joined(std::move(filters), all_deliveries, db);
    }
    if (wanted.state && *wanted.state != track::delivery_state::delivered) {
        if (auto found = deliveries_in_lanes(db, *wanted.state, wanted.callback)) filters.push_back(*std::move(found));
    }
    if (wanted.since || wanted.until) {
        filters.push_back(
            deliveries_of_time(db, wanted.since.value_or(wall_time::min()), wanted.until.value_or(wall_time::max())));
    }
    return joined(std::move(filters), all_deliveries, db);
}

std::vector<std::int64_t> events_of_time(
    database& db, event_seq after, std::optional<wall_time> since, std::optional<wall_time> until) {
    db.searched.flush(*db.connection);
    const auto first =
        static_cast<std::int64_t>(value_of(std::max(db.sums.first_event(), event_seq{value_of(after) + 1})));
    const wall_time from = since.value_or(wall_time::min());
    const wall_time to = until.value_or(wall_time::max());
    for (const std::int64_t segment : event_segments(db, from, to)) {
        if (segment < segment_of(first)) continue;
        std::vector<std::int64_t> seqs = events_in_segment(db, segment, first, from, to);
        if (!seqs.empty()) return seqs;
    }
    return {};
}

} // namespace prooftrack::store
