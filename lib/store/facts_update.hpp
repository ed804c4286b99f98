#pragma once

// Writing a transaction's facts, shared by everything that changes them.

#include "store/database.hpp"

namespace prooftrack::store {

/// What is looked at before a row is changed.
struct stored_row {
    std::int64_t row = 0;
    row_revision revision{};
    count_cell cell;
    bool watched = false;
    wall_time tracked_at{};
    std::optional<wall_time> settled_at;
    std::optional<wall_time> ended_at;
    std::optional<wall_time> last_event_at;
    std::string traceparent; ///< "" = none
};

/// nullopt when there is no such transaction.
std::optional<stored_row> find_row(database& db, const transaction_id& id);

/// What only the store holds of a transaction, needed to format an event.
struct event_ingredients {
    std::string metadata;
    std::optional<std::string> callback_url;
    std::string callback_lane;
    std::string proof; ///< the last good reply that is stored, "" = none
};
/// The same with these: one look at the database.
std::optional<stored_row> find_row(database& db, const transaction_id& id, event_ingredients& parts);

/// Writes `facts` over the row, which raises its revision by one, keeps the counts, and leaves the indexes alone when
/// nothing that they hold has changed. `before` is what find_row said; its ended_at and last_event_at are taken from
/// `after`.
void write_facts(
    database& db, const stored_row& before, const track::tracking_facts& facts, std::optional<wall_time> ended_at,
    std::optional<wall_time> last_event_at);

/// One line of a transaction's history.
struct history_line {
    wall_time at{};
    std::optional<track::tracking_state> from_state{};
    track::tracking_state to_state = track::tracking_state::tracking;
    std::string_view from_status{};
    std::string_view to_status{};
    std::string_view request_id{};
    std::string_view reply{}; ///< hashed; "" = none
};
void write_history(database& db, std::int64_t row, const history_line& line);

} // namespace prooftrack::store
