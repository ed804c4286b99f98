#pragma once

// What a user does to all deliveries of a callback, or to dead ones: pause, flush, dismiss.

#include <map>
#include <optional>
#include <string>

#include "store/database.hpp"

namespace prooftrack::store {

/// nullopt = go on. Gives since when it is paused now.
op_result<std::optional<wall_time>> set_callback_paused(
    database& db, const std::string& callback, std::optional<wall_time> since);

bool is_callback_paused(database& db, const std::string& callback);
std::map<std::string, wall_time> read_pauses(database& db);

/// Where a walk over deliveries goes on, lane by lane and in each by id. It passes only those that were there when it
/// began, so it ends however many are added or come back meanwhile.
struct lane_walk {
    std::size_t lane = 0;    ///< index of `totals::lanes`
    delivery_id after{0};    ///< in that lane
    delivery_id last{0};     ///< the newest at the beginning
    std::uint64_t found = 0; ///< so far
    bool is_done = false;
};
/// At the first lane; the same for all that follow.
lane_walk begin_walk(const database& db);

/// Looks at up to `limit` pending deliveries of the callback and counts them; those that wait for a later time than
/// `now` are due now.
void flush_pending(database& db, const std::string& callback, wall_time now, lane_walk& at, std::size_t limit);

/// not_found, or not_dead.
op_result<track::delivery_view> dismiss_one_delivery(database& db, delivery_id id, const std::string& note);

/// Dismisses up to `limit` dead deliveries (of one callback).
void dismiss_dead_deliveries(
    database& db, const std::optional<std::string>& callback, const std::string& note, lane_walk& at,
    std::size_t limit);

} // namespace prooftrack::store
