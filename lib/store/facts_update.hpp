#pragma once

// Writing a transaction's facts, shared by everything that changes them.

#include "store/database.hpp"

namespace prooftrack::store {

/// nullopt when there is no such transaction.
std::optional<stored_row> find_row(database& db, const transaction_id& id);

/// The same with what an event is made of: one look at the database.
std::optional<whole_row> find_whole_row(database& db, const transaction_id& id);

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
