#include "store/export_ops.hpp"

#include "store/delivery_ops.hpp"
#include "store/transaction_ops.hpp"
#include "track/event.hpp"

namespace prooftrack::store {
namespace {

void write_transactions(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT id, state, watched, status, tracked_at, overdue_at, settled_at,
            not_found_since, recheck_until, last_polled_at, polls, bad_requests,
            verifications_done, was_overdue, metadata, callback_url, body, revision, row
        FROM transactions
        LEFT JOIN proofs ON transaction_row = row
        WHERE tracked_at >= ?
          AND tracked_at < ?
        ORDER BY row
    )sql";
    auto row = db.sql(of_time).stream(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row()) query.write_transaction(out.piece(), read_view(row));
}

void write_events(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT seq, body
        FROM events
        WHERE recorded_at >= ?
          AND recorded_at < ?
        ORDER BY seq
    )sql";
    auto row = db.sql(of_time).stream(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row())
        query.write_event(out.piece(), track::insert_seq(row.text(1), event_seq{row.count(0)}));
}

void write_deliveries(database& db, const track::export_query& query, piece_writer& out) {
    static constexpr sql_literal of_time = R"sql(
        SELECT d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
            d.next_attempt_at, e.id, e.type, t.id, d.note
        FROM deliveries d
        CROSS JOIN events e ON e.seq = d.event_seq
        CROSS JOIN transactions t ON t.row = d.transaction_row
        WHERE e.recorded_at >= ?
          AND e.recorded_at < ?
        ORDER BY d.id
    )sql";
    auto row = db.sql(of_time).stream(query.since.value_or(wall_time::min()), query.until.value_or(wall_time::max()));
    for (; row.next(); out.end_row()) query.write_delivery(out.piece(), read_delivery_view(db, row));
}

} // namespace

void write_export(database& copy, const track::export_query& query, piece_writer& out) {
    out.piece() = query.head;
    switch (query.list) {
    case track::export_list::transactions:
        return write_transactions(copy, query, out);
    case track::export_list::events:
        return write_events(copy, query, out);
    case track::export_list::deliveries:
        return write_deliveries(copy, query, out);
    }
}

} // namespace prooftrack::store
