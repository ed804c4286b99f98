#include "store/control_ops.hpp"

#include <utility>
#include <vector>

#include "store/delivery_ops.hpp"
#include "store/row_codec.hpp"

namespace prooftrack::store {
namespace {

/// Goes on with `visit(lane, left)`, which looks at up to `left` deliveries of the lane behind `at.after` and gives how
/// many it saw, until the lanes or the limit are used up. `wanted(lane)`: the others are passed by.
template <class Wanted, class Visit>
void walk(database& db, lane_walk& at, std::size_t limit, Wanted wanted, Visit visit) {
    std::size_t left = limit;
    for (; at.lane < db.sums.lanes().size(); ++at.lane, at.after = delivery_id{0}) {
        const lane_total& lane = db.sums.lanes()[at.lane];
        if (!wanted(lane)) continue;
        const std::size_t seen = visit(lane.row, left);
        left -= seen;
        if (left == 0) return;
    }
    at.is_done = true;
}

} // namespace

op_result<std::optional<wall_time>> set_callback_paused(
    database& db, const std::string& callback, std::optional<wall_time> since) {
    db.tell_all(mail_kind::controls);
    if (!since) {
        db.sql(R"sql(DELETE FROM pauses WHERE callback = ?)sql").execute(callback);
        return std::optional<wall_time>();
    }
    db.sql(R"sql(INSERT INTO pauses VALUES (?, ?) ON CONFLICT (callback) DO NOTHING)sql").execute(callback, *since);
    query row = db.sql(R"sql(SELECT since FROM pauses WHERE callback = ?)sql").select(callback);
    if (row.next()) since = row.time(0);
    return since;
}

bool is_callback_paused(database& db, const std::string& callback) {
    return db.sql(R"sql(SELECT 1 FROM pauses WHERE callback = ?)sql").select(callback).next();
}

std::map<std::string, wall_time> read_pauses(database& db) {
    std::map<std::string, wall_time> pauses;
    query row = db.sql(R"sql(SELECT callback, since FROM pauses)sql").select();
    while (row.next()) pauses.emplace(row.string(0), row.time(1));
    return pauses;
}

lane_walk begin_walk(const database& db) {
    lane_walk at;
    at.last = db.sums.last_delivery();
    return at;
}

void flush_pending(database& db, const std::string& callback, wall_time now, lane_walk& at, std::size_t limit) {
    const auto is_of_callback = [&](const lane_total& lane) { return lane.callback == callback && lane.pending > 0; };
    walk(db, at, limit, is_of_callback, [&](std::int64_t lane, std::size_t left) {
        std::size_t seen = 0;
        std::vector<delivery_id> waiting;
        {
            static constexpr sql_literal pending_after = R"sql(
                SELECT id, next_attempt_at
                FROM deliveries INDEXED BY deliveries_pending
                WHERE lane = ?
                  AND state = 0
                  AND id > ?
                  AND id <= ?
                ORDER BY id
                LIMIT ?
            )sql";
            query row = db.sql(pending_after).select(lane, at.after, at.last, left);
            for (; row.next(); ++seen) {
                at.after = delivery_id{row.count(0)};
                const auto next = row.optional_time(1); // none: it waits for an earlier one of its transaction
                if (next && *next > now) waiting.push_back(at.after);
            }
        }
        for (const delivery_id id : waiting)
            db.sql(R"sql(UPDATE deliveries SET next_attempt_at = ? WHERE id = ?)sql").execute(now, id);
        if (!waiting.empty() && !db.holds_all()) db.mail.note(mail_kind::lane, lane);
        at.found += seen;
        return seen;
    });
}

op_result<track::delivery_view> dismiss_one_delivery(database& db, delivery_id id, const std::string& note) {
    auto found = load_delivery_record(db, id);
    if (!found) return found.error();
    if (!*found) return make_store_error(store_error::not_found, "dismiss a delivery", "there is no such delivery");
    track::delivery_view& view = (*found)->view;
    if (view.state != track::delivery_state::dead)
        return make_store_error(store_error::not_dead, "dismiss a delivery", std::string(to_string(view.state)));
    db.sql(R"sql(UPDATE deliveries SET state = 3, note = ? WHERE id = ?)sql").execute(null_if_empty(note), id);
    db.sums.count_dismissed(db.sums.find_lane((*found)->lane)->row, 1);
    view.state = track::delivery_state::dismissed;
    view.note = note;
    return std::move(view);
}

void dismiss_dead_deliveries(
    database& db, const std::optional<std::string>& callback, const std::string& note, lane_walk& at,
    std::size_t limit) {
    const auto has_dead = [&](const lane_total& lane) {
        return lane.dead > 0 && (!callback || lane.callback == *callback);
    };
    walk(db, at, limit, has_dead, [&](std::int64_t lane, std::size_t left) {
        std::vector<delivery_id> dead;
        {
            static constexpr sql_literal dead_after = R"sql(
                SELECT id
                FROM deliveries INDEXED BY deliveries_dead
                WHERE lane = ?
                  AND state = 2
                  AND id > ?
                  AND id <= ?
                ORDER BY id
                LIMIT ?
            )sql";
            query row = db.sql(dead_after).select(lane, at.after, at.last, left);
            while (row.next()) dead.push_back(delivery_id{row.count(0)});
        }
        for (const delivery_id id : dead) {
            db.sql(R"sql(UPDATE deliveries SET state = 3, note = ? WHERE id = ?)sql").execute(null_if_empty(note), id);
        }
        if (!dead.empty()) at.after = dead.back();
        db.sums.count_dismissed(lane, static_cast<std::int64_t>(dead.size()));
        at.found += dead.size();
        return dead.size();
    });
}

} // namespace prooftrack::store
