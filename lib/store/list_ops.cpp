#include "store/list_ops.hpp"

#include <algorithm>
#include <limits>

#include "store/delivery_ops.hpp"
#include "store/paging.hpp"
#include "store/row_codec.hpp"
#include "store/transaction_ops.hpp"

namespace prooftrack::store {
namespace {

/// A range of settled_at that holds more than this is not sorted but found by looking at the newest rows first.
constexpr std::size_t most_sorted_rows = 50'000;

std::optional<std::int64_t> first_key(query row) {
    if (!row.next()) return std::nullopt;
    return row.integer(0);
}

key_merge all_transactions(database& db) {
    key_merge keys;
    keys.add([&db](std::int64_t below) {
        static constexpr sql_literal newest = R"sql(
            SELECT row
            FROM transactions
            WHERE row < ?
            ORDER BY row DESC
            LIMIT 1
        )sql";
        return first_key(db.sql(newest).select(below));
    });
    return keys;
}

key_merge transactions_with_odd_status(database& db, const std::string& status) {
    key_merge keys;
    keys.add([&db, status](std::int64_t below) {
        static constexpr sql_literal odd_status = R"sql(
            SELECT row
            FROM transactions INDEXED BY transactions_odd_status
            WHERE kind = 6
              AND status = ?
              AND row < ?
            ORDER BY row DESC
            LIMIT 1
        )sql";
        return first_key(db.sql(odd_status).select(status, below));
    });
    return keys;
}

key_merge transactions_in_cells(database& db, const track::transaction_query& wanted) {
    key_merge keys;
    for (std::size_t s = 0; s < track::tracking_state_count; ++s) {
        for (std::size_t k = 0; k < totals::kinds; ++k) {
            const count_cell cell{static_cast<track::tracking_state>(s), static_cast<track::status_kind>(k)};
            if (wanted.state && cell.state != *wanted.state) continue;
            if (wanted.status && cell.kind != track::classify_status(*wanted.status)) continue;
            if (db.sums.transactions(cell) == 0) continue;
            keys.add([&db, cell](std::int64_t below) {
                static constexpr sql_literal in_cell = R"sql(
                    SELECT row
                    FROM transactions INDEXED BY transactions_listed
                    WHERE state = ?
                      AND kind = ?
                      AND row < ?
                    ORDER BY row DESC
                    LIMIT 1
                )sql";
                return first_key(db.sql(in_cell).select(cell.state, cell.kind, below));
            });
        }
    }
    return keys;
}

/// nullopt when the range holds too many to be sorted.
std::optional<key_merge> transactions_settled_between(database& db, const track::transaction_query& wanted) {
    std::vector<std::int64_t> rows;
    static constexpr sql_literal settled_between = R"sql(
        SELECT row
        FROM transactions INDEXED BY transactions_settled
        WHERE settled_at IS NOT NULL
          AND settled_at > ?
          AND settled_at < ?
        LIMIT ?
    )sql";
    query found = db.sql(settled_between)
                      .select(
                          wanted.settled_after.value_or(wall_time::min()),
                          wanted.settled_before.value_or(wall_time::max()), most_sorted_rows + 1);
    while (found.next()) rows.push_back(found.integer(0));
    if (rows.size() > most_sorted_rows) return std::nullopt;
    std::sort(rows.begin(), rows.end());
    key_merge keys;
    keys.add([rows = std::move(rows)](std::int64_t below) -> std::optional<std::int64_t> {
        const auto place = std::lower_bound(rows.begin(), rows.end(), below);
        if (place == rows.begin()) return std::nullopt;
        return *std::prev(place);
    });
    return keys;
}

key_merge choose_keys(database& db, const track::transaction_query& wanted) {
    if (wanted.settled_after || wanted.settled_before) {
        if (auto keys = transactions_settled_between(db, wanted)) return *std::move(keys);
    }
    if (wanted.status && track::classify_status(*wanted.status) == track::status_kind::other) {
        return transactions_with_odd_status(db, *wanted.status);
    }
    if (wanted.state || wanted.status) return transactions_in_cells(db, wanted);
    return all_transactions(db);
}

bool matches(const track::tracking_facts& facts, const track::transaction_query& wanted) {
    if (wanted.state && facts.state != *wanted.state) return false;
    if (wanted.status && facts.status != *wanted.status) return false;
    if (wanted.settled_after && (!facts.settled_at || *facts.settled_at <= *wanted.settled_after)) return false;
    return !wanted.settled_before || (facts.settled_at && *facts.settled_at < *wanted.settled_before);
}

key_merge choose_keys(database& db, const track::delivery_query& wanted, std::optional<std::int64_t> transaction_row) {
    key_merge keys;
    if (transaction_row) {
        keys.add([&db, row = *transaction_row](std::int64_t below) {
            static constexpr sql_literal of_transaction = R"sql(
                SELECT id
                FROM deliveries INDEXED BY deliveries_of
                WHERE transaction_row = ? AND id < ?
                ORDER BY id DESC
                LIMIT 1
            )sql";
            return first_key(db.sql(of_transaction).select(row, below));
        });
        return keys;
    }
    if (!wanted.state || *wanted.state == track::delivery_state::delivered) {
        keys.add([&db](std::int64_t below) {
            static constexpr sql_literal newest = R"sql(
                SELECT id
                FROM deliveries
                WHERE id < ?
                ORDER BY id DESC
                LIMIT 1
            )sql";
            return first_key(db.sql(newest).select(below));
        });
        return keys;
    }
    const bool pending = *wanted.state == track::delivery_state::pending;
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
    const sql_literal of_lane = pending ? pending_of_lane : dead_of_lane;
    for (const lane_total& lane : db.sums.lanes()) {
        if ((pending ? lane.pending : lane.dead) == 0 || (wanted.callback && lane.callback != *wanted.callback))
            continue;
        keys.add([&db, of_lane, row = lane.row](std::int64_t below) {
            return first_key(db.sql(of_lane).select(row, below));
        });
    }
    return keys;
}

/// nullopt when the filter leaves it out.
std::optional<track::delivery_view> read_matching(database& db, std::int64_t id, const track::delivery_query& wanted) {
    static constexpr sql_literal by_id = R"sql(
        SELECT d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
            d.next_attempt_at, e.id, e.type, t.id
        FROM deliveries d
        JOIN events e ON e.seq = d.event_seq
        JOIN transactions t ON t.row = d.transaction_row
        WHERE d.id = ?
    )sql";
    query row = db.sql(by_id).select(id);
    if (!row.next()) return std::nullopt;
    track::delivery_view view = read_delivery_view(db, row);
    if ((wanted.state && view.state != *wanted.state) || (wanted.callback && view.callback != *wanted.callback))
        return std::nullopt;
    return view;
}

std::optional<std::int64_t> row_of(database& db, std::string_view id) {
    return first_key(select_by_id(db.sql(R"sql(SELECT row FROM transactions WHERE id = ?)sql"), id));
}

track::history_entry read_history_entry(const query& row) {
    track::history_entry entry;
    entry.at = row.time(0);
    if (!row.is_null(1)) entry.from_state = read_tracking_state(row, 1);
    entry.to_state = read_tracking_state(row, 2);
    entry.from_status = row.text(3);
    entry.to_status = row.text(4);
    entry.request_id = row.text(5);
    entry.reply_sha256 = to_hex(row.text(6));
    return entry;
}

} // namespace

op_result<track::transaction_page> list_transactions(database& db, const track::transaction_query& wanted) {
    const auto below = read_cursor(paged_list::transactions, wanted.cursor, "list transactions");
    if (!below) return below.error();
    track::transaction_page page;
    key_merge keys = choose_keys(db, wanted);
    page.next_cursor = fill_page(
        paged_list::transactions, keys, *below, wanted.limit, [&](std::int64_t key) -> std::optional<std::size_t> {
            static constexpr sql_literal by_row = R"sql(
                SELECT id, state, watched, status, tracked_at, overdue_at, settled_at,
                    not_found_since, recheck_until, last_polled_at, polls, bad_requests,
                    verifications_done, was_overdue, metadata, callback_url, body, revision
                FROM transactions
                LEFT JOIN proofs ON transaction_row = row
                WHERE row = ?
            )sql";
            query row = db.sql(by_row).select(key);
            if (!row.next()) return std::nullopt;
            track::transaction_view view = read_view(row);
            if (!matches(view.facts, wanted)) return std::nullopt;
            const std::size_t bytes = view.metadata.size() + view.proof.size();
            page.transactions.push_back(std::move(view));
            return bytes;
        });
    return page;
}

op_result<track::delivery_page> list_deliveries(database& db, const track::delivery_query& wanted) {
    const auto below = read_cursor(paged_list::deliveries, wanted.cursor, "list deliveries");
    if (!below) return below.error();
    track::delivery_page page;
    std::optional<std::int64_t> transaction_row;
    if (wanted.transaction) {
        transaction_row = row_of(db, *wanted.transaction);
        if (!transaction_row) return page;
    }
    key_merge keys = choose_keys(db, wanted, transaction_row);
    page.next_cursor = fill_page(
        paged_list::deliveries, keys, *below, wanted.limit, [&](std::int64_t key) -> std::optional<std::size_t> {
            auto view = read_matching(db, key, wanted);
            if (!view) return std::nullopt;
            page.deliveries.push_back(*std::move(view));
            return 0;
        });
    return page;
}

op_result<std::optional<track::transaction_history>> read_history(database& db, const transaction_id& id) {
    const auto transaction_row = row_of(db, id.str());
    if (!transaction_row) return std::optional<track::transaction_history>();
    track::transaction_history page;
    {
        static constexpr sql_literal newest_changes = R"sql(
            SELECT at, from_state, to_state, from_status, to_status, request_id, reply_sha256
            FROM history
            WHERE transaction_row = ?
            ORDER BY number DESC
            LIMIT 1000
        )sql";
        query row = db.sql(newest_changes).select(*transaction_row);
        while (row.next()) page.changes.push_back(read_history_entry(row));
    }
    std::reverse(page.changes.begin(), page.changes.end());
    const track::delivery_query everything{};
    key_merge keys = choose_keys(db, everything, transaction_row);
    fill_page(
        paged_list::deliveries, keys, std::numeric_limits<std::int64_t>::max(), 1000,
        [&](std::int64_t key) -> std::optional<std::size_t> {
            auto view = read_matching(db, key, everything);
            if (!view) return std::nullopt;
            page.deliveries.push_back(*std::move(view));
            return 0;
        });
    std::reverse(page.deliveries.begin(), page.deliveries.end());
    return std::optional(std::move(page));
}

} // namespace prooftrack::store
