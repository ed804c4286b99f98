#pragma once

// The life of a delivery: pending, attempted, ended, retried manually.
//
// Of the pending deliveries of one (callback, transaction) exactly one is a head, the one that has a next_attempt_at;
// the others wait in the order of their ids. A delivery that was retried by hand is a head besides: it may arrive out
// of order.

#include <set>

#include "store/database.hpp"

namespace prooftrack::store {

struct owed_delivery {
    event_seq event{};
    std::int64_t transaction_row = 0;
    wall_time at{};
    bool is_first = false; ///< the transaction had no event before: nothing of it can be pending
};

/// Makes one delivery; gives it back when it is a head.
std::optional<delivery_head> insert_delivery(
    database& db, const owed_delivery& owed, const std::string& lane, const std::string& callback,
    const std::optional<std::string>& url, std::optional<replay_id> replay = std::nullopt);

/// Reads a view from columns d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
/// d.next_attempt_at, e.id, e.type, t.id, d.note.
track::delivery_view read_delivery_view(const database& db, const query& row);

op_result<std::vector<delivery_head>> next_delivery_heads(database& db, const std::string& lane, std::size_t limit);
op_result<std::optional<delivery_record>> load_delivery_record(database& db, delivery_id id);

/// Writes the outcome and promotes the next one. A failed attempt that does not follow the durable number of attempts,
/// or any attempt of a delivery that is no longer pending, was overtaken by a retry by hand: it changes nothing and
/// gives nullopt.
op_result<std::optional<delivery_head>> record_delivery_attempt(database& db, const attempt_record& attempt);

/// Dead, dismissed or delivered: a head that is due now, out of order if need be. A pending head: due now. Behind
/// another: goes on waiting. The schedule starts again in each case. `paused` when its callback is.
op_result<delivery_head> retry_one_delivery(database& db, delivery_id id, wall_time now);

/// Dead deliveries become pending again, at most `limit` of them, in the order of ids. Only the first of each (lane,
/// transaction) becomes a head, so that they arrive in order. Those of paused callbacks stay; `paused` when there are
/// no others.
struct retry_slice {
    std::uint64_t retried = 0;
    bool more = false;
};
op_result<retry_slice> retry_dead_deliveries(
    database& db, const std::optional<std::string>& callback, wall_time now, std::size_t limit);

/// Removes what is pending of a replay, and adds what had waited behind it to `heads`. How many it removed.
std::uint64_t drop_replayed_deliveries(
    database& db, replay_id replay, const std::set<delivery_id>& except, wall_time now,
    std::vector<delivery_head>& heads);

op_result<std::monostate> set_lane_failing(database& db, const std::string& lane, std::optional<wall_time> since);

/// A lane that fails no more. Looks at up to `limit` heads from `after` on and frees those that the recovery frees;
/// with the last slice the lane is marked.
struct recovery_slice {
    std::uint64_t freed = 0;
    std::optional<std::pair<wall_time, delivery_id>>
        after; ///< where the next slice begins; nullopt = this was the last
};
op_result<recovery_slice> end_lane_failing(
    database& db, const std::string& lane, const lane_recovery& how, std::pair<wall_time, delivery_id> after,
    std::size_t limit);

} // namespace prooftrack::store
