#include "store/stored_rows.hpp"

#include "store/row_codec.hpp"

namespace prooftrack::store {

stored_row read_stored_row(const query& row) {
    stored_row found;
    found.row = row.integer(0);
    found.cell = {read_tracking_state(row, 1), static_cast<track::status_kind>(row.integer(2))};
    found.watched = row.flag(3);
    found.settled_at = row.optional_time(4);
    found.ended_at = row.optional_time(5);
    found.last_event_at = row.optional_time(6);
    found.revision = read_revision(row, 7);
    found.traceparent = row.text(8);
    found.tracked_at = row.time(9);
    return found;
}

whole_row read_whole_row(const query& row) {
    event_ingredients parts;
    parts.metadata = row.text(10);
    if (!row.is_null(11)) parts.callback_url = row.string(11);
    parts.callback_lane = row.text(12);
    parts.proof = row.text(13);
    return {read_stored_row(row), std::move(parts)};
}

std::optional<replay_id> read_replay_id(const query& row, int column) {
    return row.is_null(column) ? std::nullopt : std::optional(replay_id{row.count(column)});
}

stored_delivery read_stored_delivery(const query& row, delivery_id id) {
    return {
        id,
        row.integer(0),
        row.integer(1),
        read_delivery_state(row, 2),
        static_cast<std::uint32_t>(row.integer(3)),
        row.optional_time(4),
        row.flag(5),
        read_replay_id(row, 6),
        !row.flag(7)};
}

} // namespace prooftrack::store
