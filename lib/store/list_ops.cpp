#include "store/list_ops.hpp"

#include <algorithm>
#include <limits>

#include "store/delivery_ops.hpp"
#include "store/metadata_match.hpp"
#include "store/paging.hpp"
#include "store/row_codec.hpp"
#include "store/search_keys.hpp"
#include "store/transaction_ops.hpp"

namespace prooftrack::store {
namespace {

/// Both ends are left out; what has no time is in no range.
bool is_between(
    const std::optional<wall_time>& time, const std::optional<wall_time>& after,
    const std::optional<wall_time>& before) {
    if (after && (!time || *time <= *after)) return false;
    return !before || (time && *time < *before);
}

bool is_owed_to(database& db, std::int64_t transaction_row, const std::string& callback) {
    static constexpr sql_literal undelivered = R"sql(
        SELECT 1
        FROM deliveries d INDEXED BY deliveries_of
        JOIN lanes l ON l.row = d.lane
        WHERE d.transaction_row = ?
          AND d.state <> 1
          AND l.callback = ?
        LIMIT 1
    )sql";
    return first_key(db.sql(undelivered).select(transaction_row, callback)).has_value();
}

bool matches(
    database& db, std::int64_t row, const track::transaction_view& view, const track::transaction_query& wanted) {
    const track::tracking_facts& facts = view.facts;
    if (wanted.state && facts.state != *wanted.state) return false;
    if (wanted.only_open && is_ended(facts.state)) return false;
    if (wanted.status && facts.status != *wanted.status) return false;
    if (!is_between(facts.settled_at, wanted.settled_after, wanted.settled_before)) return false;
    if (!is_between(facts.tracked_at, wanted.tracked_after, wanted.tracked_before)) return false;
    if (wanted.id_prefix && !view.id.str().starts_with(*wanted.id_prefix)) return false;
    if (!has_metadata(view.metadata, wanted.metadata)) return false;
    return !wanted.not_delivered_to || is_owed_to(db, row, *wanted.not_delivered_to);
}

/// nullopt when the filter leaves it out.
std::optional<track::delivery_view> read_matching(database& db, std::int64_t id, const track::delivery_query& wanted) {
    static constexpr sql_literal by_id = R"sql(
        SELECT d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
            d.next_attempt_at, e.id, e.type, t.id, d.note, e.recorded_at
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
    const wall_time at = row.time(12);
    if ((wanted.since && at < *wanted.since) || (wanted.until && at >= *wanted.until)) return std::nullopt;
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
    key_merge keys = transaction_keys(db, wanted);
    page.next_cursor = fill_page(
        paged_list::transactions, keys, *below, wanted.limit, [&](std::int64_t key) -> std::optional<std::size_t> {
            static constexpr sql_literal by_row = R"sql(
                SELECT id, state, watched, status, tracked_at, overdue_at, settled_at,
                    not_found_since, recheck_until, last_polled_at, polls, bad_requests,
                    verifications_done, was_overdue, metadata, callback_url, body, revision, row
                FROM transactions
                LEFT JOIN proofs ON transaction_row = row
                WHERE row = ?
            )sql";
            query row = db.sql(by_row).select(key);
            if (!row.next()) return std::nullopt;
            track::transaction_view view = read_view(row);
            if (!matches(db, key, view, wanted)) return std::nullopt;
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
    key_merge keys = delivery_keys(db, wanted, transaction_row);
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
    key_merge keys = delivery_keys(db, everything, transaction_row);
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
