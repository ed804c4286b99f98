#pragma once

// What is looked at of a row before it is changed, and how that is read.

#include <cstdint>
#include <optional>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "store/store.hpp"
#include "store/totals.hpp"

namespace prooftrack::store {

/// Of a transaction.
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

/// What only the store holds of a transaction, needed to format an event.
struct event_ingredients {
    std::string metadata;
    std::optional<std::string> callback_url;
    std::string callback_lane;
    std::string proof; ///< the last good reply that is stored, "" = none
};

struct whole_row {
    stored_row row;
    event_ingredients parts;
};

/// Of a delivery.
struct stored_delivery {
    delivery_id id{};
    std::int64_t lane = 0;
    std::int64_t transaction_row = 0;
    track::delivery_state state = track::delivery_state::pending;
    std::uint32_t attempts = 0;
    std::optional<wall_time> next_attempt_at;
    bool is_url = false;               ///< of the callback "callback_url", whose lanes are hosts
    std::optional<replay_id> replay{}; ///< that made it
    bool is_only_one = false;          ///< no other one of the transaction is pending
};

/// Columns row, state, kind, watched, settled_at, ended_at, last_event_at, revision, traceparent, tracked_at.
stored_row read_stored_row(const query& row);
/// Those, then metadata, callback_url, callback_lane, body.
whole_row read_whole_row(const query& row);
/// Columns lane, transaction_row, state, attempts, next_attempt_at, whether it has a URL, replay, and whether another
/// one of the transaction is pending.
stored_delivery read_stored_delivery(const query& row, delivery_id id);
std::optional<replay_id> read_replay_id(const query& row, int column);

} // namespace prooftrack::store
