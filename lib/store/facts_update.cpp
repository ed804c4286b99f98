#include "store/facts_update.hpp"

#include "store/row_codec.hpp"
#include "store/stored_selects.hpp"

namespace prooftrack::store {

std::optional<stored_row> find_row(database& db, const transaction_id& id) {
    static constexpr sql_literal by_id = select_stored_rows<R"sql(
        WHERE id = ?
    )sql">;
    if (auto foreseen = db.foreseen.take(id)) return foreseen;
    query row = select_by_id(db.sql(by_id), id.str());
    if (!row.next()) return std::nullopt;
    return read_stored_row(row);
}

std::optional<whole_row> find_whole_row(database& db, const transaction_id& id) {
    static constexpr sql_literal by_id = select_whole_rows<R"sql(
        WHERE id = ?
    )sql">;
    if (auto foreseen = db.foreseen.take_whole(id)) return foreseen;
    query row = select_by_id(db.sql(by_id), id.str());
    if (!row.next()) return std::nullopt;
    return read_whole_row(row);
}

void write_facts(
    database& db, const stored_row& before, const track::tracking_facts& facts, std::optional<wall_time> ended_at,
    std::optional<wall_time> last_event_at) {
    const count_cell cell{facts.state, track::classify_status(facts.status)};
    if (facts.tracked_at != before.tracked_at) { // seldom
        db.searched.note(ranged_list::tracked, before.row, facts.tracked_at.time_since_epoch().count());
        db.sql(R"sql(UPDATE transactions SET tracked_at = ? WHERE row = ?)sql").execute(facts.tracked_at, before.row);
    }
    const bool is_odd = cell.kind == track::status_kind::other || before.cell.kind == track::status_kind::other;
    const bool keeps_indexes = !is_odd && cell == before.cell && facts.watched == before.watched &&
                               facts.settled_at == before.settled_at && ended_at == before.ended_at;
    if (keeps_indexes) {
        static constexpr sql_literal keep_indexes = R"sql(
            UPDATE transactions
            SET overdue_at = ?, not_found_since = ?, recheck_until = ?,
                last_polled_at = ?, polls = ?, bad_requests = ?, verifications_done = ?,
                was_overdue = ?, last_event_at = ?, revision = revision + 1
            WHERE row = ?
        )sql";
        db.sql(keep_indexes)
            .execute(
                facts.overdue_at, facts.not_found_since, facts.recheck_until, facts.last_polled_at, facts.polls,
                facts.bad_requests, facts.verifications_done, facts.was_overdue, last_event_at, before.row);
        return;
    }
    static constexpr sql_literal change_all = R"sql(
        UPDATE transactions
        SET state = ?, kind = ?, watched = ?, status = ?, overdue_at = ?,
            settled_at = ?, not_found_since = ?, recheck_until = ?, last_polled_at = ?, polls = ?,
            bad_requests = ?, verifications_done = ?, was_overdue = ?, ended_at = ?,
            last_event_at = ?, revision = revision + 1
        WHERE row = ?
    )sql";
    db.sql(change_all)
        .execute(
            facts.state, cell.kind, facts.watched, null_if_empty(facts.status), facts.overdue_at, facts.settled_at,
            facts.not_found_since, facts.recheck_until, facts.last_polled_at, facts.polls, facts.bad_requests,
            facts.verifications_done, facts.was_overdue, ended_at, last_event_at, before.row);
    db.sums.count_transaction(before.cell, cell);
}

void write_history(database& db, std::int64_t row, const history_line& line) {
    std::array<std::uint8_t, 32> hash{};
    std::optional<blob_view> reply;
    if (!line.reply.empty()) {
        hash = sha256_of(line.reply);
        reply = as_blob(hash);
    }
    db.sql(R"sql(INSERT INTO history VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql")
        .append(
            row, db.sums.take_history_number(), line.at, line.from_state, line.to_state,
            null_if_empty(line.from_status), null_if_empty(line.to_status), null_if_empty(line.request_id), reply);
}

} // namespace prooftrack::store
