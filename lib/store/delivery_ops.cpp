#include "store/delivery_ops.hpp"

#include "base/own_url.hpp"
#include "store/control_ops.hpp"
#include "store/row_codec.hpp"
#include "store/stored_selects.hpp"

namespace prooftrack::store {
namespace {

/// Retried by hand, it is a replay's no more.
constexpr sql_literal make_pending = R"sql(
    UPDATE deliveries
    SET state = 0, attempts = 0, next_attempt_at = ?, replay = NULL
    WHERE id = ?
)sql";

std::optional<stored_delivery> find_delivery(database& db, delivery_id id) {
    static constexpr sql_literal by_id = select_stored_deliveries<R"sql(
        WHERE id = ?
    )sql">;
    if (auto foreseen = db.foreseen.take(id)) return foreseen;
    query row = db.sql(by_id).select(id);
    if (!row.next()) return std::nullopt;
    return read_stored_delivery(row, id);
}

delivery_head make_head(database& db, const stored_delivery& from, wall_time next_attempt_at) {
    return {
        from.id,
        db.sums.lane_at(from.lane).lane,
        from.attempts,
        next_attempt_at,
        static_cast<std::uint64_t>(from.transaction_row),
        false,
        from.replay.has_value()};
}

/// A head of a shard that another daemon holds is given out there, once it has heard of it.
std::optional<delivery_head> give_out(database& db, const stored_delivery& from, wall_time next_attempt_at) {
    if (db.holds(from.transaction_row)) return make_head(db, from, next_attempt_at);
    db.tell_owner_of_lane(from.transaction_row, from.lane);
    return std::nullopt;
}

/// The pending deliveries of a (callback, transaction), of which one after the other may be attempted: a named callback
/// is its lane, while callback_url is one callback on as many lanes as the transaction had hosts.
query select_line(database& db, const stored_delivery& of) {
    if (of.is_url) {
        static constexpr sql_literal of_transaction = R"sql(
            SELECT id, lane, attempts, next_attempt_at, replay
            FROM deliveries INDEXED BY deliveries_of
            WHERE transaction_row = ?
              AND state = 0
              AND url IS NOT NULL
            ORDER BY id
        )sql";
        return db.sql(of_transaction).select(of.transaction_row);
    }
    static constexpr sql_literal of_lane = R"sql(
        SELECT id, lane, attempts, next_attempt_at, replay
        FROM deliveries INDEXED BY deliveries_waiting
        WHERE lane = ?
          AND transaction_row = ?
          AND state = 0
        ORDER BY id
    )sql";
    return db.sql(of_lane).select(of.lane, of.transaction_row);
}

std::optional<stored_delivery> first_pending(database& db, const stored_delivery& of) {
    query row = select_line(db, of);
    if (!row.next()) return std::nullopt;
    return stored_delivery{
        delivery_id{row.count(0)},
        row.integer(1),
        of.transaction_row,
        track::delivery_state::pending,
        static_cast<std::uint32_t>(row.integer(2)),
        row.optional_time(3),
        of.is_url,
        read_replay_id(row, 4)};
}

bool has_head(database& db, const stored_delivery& of) {
    query row = select_line(db, of);
    while (row.next()) {
        if (!row.is_null(3)) return true;
    }
    return false;
}

/// A delivery ended: the next one of its (callback, transaction) may go, unless one is going already.
std::optional<delivery_head> promote_next(database& db, const stored_delivery& ended, wall_time at) {
    const auto next = first_pending(db, ended);
    if (!next || next->next_attempt_at) return std::nullopt;
    db.sql(R"sql(UPDATE deliveries SET next_attempt_at = ? WHERE id = ?)sql").execute(at, next->id);
    return give_out(db, *next, at);
}

/// As PostgreSQL's get_bit counts: from the lowest bit of the first byte on.
std::string bits_of(const shard_set& shards) {
    std::string bytes(shard_count / 8, '\0');
    for (std::size_t i = 0; i < shard_count; ++i) {
        if (shards.test(i)) bytes[i / 8] = static_cast<char>(static_cast<unsigned char>(bytes[i / 8]) | 1U << i % 8);
    }
    return bytes;
}

void count_change(database& db, std::int64_t lane, track::delivery_state from, track::delivery_state to) {
    const auto is = [](track::delivery_state state, track::delivery_state wanted) { return state == wanted ? 1 : 0; };
    db.sums.count_deliveries(
        lane, is(to, track::delivery_state::pending) - is(from, track::delivery_state::pending),
        is(to, track::delivery_state::dead) - is(from, track::delivery_state::dead), 0);
}

} // namespace

std::optional<delivery_head> insert_delivery(
    database& db, const owed_delivery& owed, const std::string& lane, const std::string& callback,
    const std::optional<std::string>& url, std::optional<replay_id> replay) {
    const std::int64_t lane_row = db.sums.lane_row(*db.connection, lane, callback);
    const stored_delivery fresh{
        db.sums.take_delivery_id(),
        lane_row,
        owed.transaction_row,
        track::delivery_state::pending,
        0,
        std::nullopt,
        url.has_value(),
        replay};
    const bool is_head = owed.is_first || !first_pending(db, fresh);
    const auto next_attempt_at = is_head ? std::optional(owed.at) : std::nullopt;
    static constexpr sql_literal insert = R"sql(
        INSERT INTO deliveries
        VALUES (?, ?, ?, ?, 0, 0, NULL, 0, ?, NULL, ?, NULL, ?)
    )sql";
    db.sql(insert).append(fresh.id, owed.event, owed.transaction_row, lane_row, next_attempt_at, url, replay);
    db.searched.note(
        ranged_list::owed, static_cast<std::int64_t>(value_of(fresh.id)),
        static_cast<std::int64_t>(value_of(owed.event)));
    db.sums.count_deliveries(lane_row, 1, 0, 1);
    db.foreseen.forget_deliveries_of(owed.transaction_row);
    if (!is_head) return std::nullopt;
    return give_out(db, fresh, owed.at);
}

op_result<std::vector<delivery_head>> next_delivery_heads(database& db, const std::string& lane, std::size_t limit) {
    std::vector<delivery_head> heads;
    const lane_total* const known = db.sums.find_lane(lane);
    if (known == nullptr) return heads;
    static constexpr sql_literal due_heads = R"sql(
        SELECT id, attempts, next_attempt_at, transaction_row, replay IS NOT NULL
        FROM deliveries INDEXED BY deliveries_due
        WHERE lane = ?
          AND state = 0
          AND next_attempt_at IS NOT NULL
        ORDER BY next_attempt_at, id
        LIMIT ?
    )sql";
    static constexpr sql_literal held_heads = R"sql(
        SELECT id, attempts, next_attempt_at, transaction_row, replay IS NOT NULL
        FROM deliveries
        WHERE lane = ?
          AND state = 0
          AND next_attempt_at IS NOT NULL
          AND get_bit(?, transaction_row & 255) = 1
        ORDER BY next_attempt_at, id
        LIMIT ?
    )sql";
    const std::string held = bits_of(db.held);
    query row = db.holds_all() ? db.sql(due_heads).select(known->row, limit)
                               : db.sql(held_heads).select(known->row, blob_view{held}, limit);
    while (row.next()) {
        heads.push_back(
            {delivery_id{row.count(0)}, lane, static_cast<std::uint32_t>(row.integer(1)), row.time(2), row.count(3),
             false, row.flag(4)});
    }
    return heads;
}

track::delivery_view read_delivery_view(const database& db, const query& row) {
    return {
        delivery_id{row.count(0)},
        row.string(8),
        row.string(9),
        read_id(row, 10),
        db.sums.lane_at(row.integer(1)).callback,
        read_delivery_state(row, 2),
        static_cast<std::uint32_t>(row.integer(3)),
        row.optional_time(4),
        row.string(5),
        static_cast<int>(row.integer(6)),
        row.optional_time(7),
        row.string(11)};
}

op_result<std::optional<delivery_record>> load_delivery_record(database& db, delivery_id id) {
    static constexpr sql_literal whole_record = R"sql(
        SELECT d.id, d.lane, d.state, d.attempts, d.last_attempt_at, d.last_error, d.last_status,
            d.next_attempt_at, e.id, e.type, t.id, d.note, d.url, e.state, e.status, e.body,
            e.recorded_at, e.traceparent
        FROM deliveries d
        JOIN events e ON e.seq = d.event_seq
        JOIN transactions t ON t.row = d.transaction_row
        WHERE d.id = ?
    )sql";
    query row = db.sql(whole_record).select(id);
    if (!row.next()) return std::optional<delivery_record>();
    return std::optional(delivery_record{
        read_delivery_view(db, row), db.sums.lane_at(row.integer(1)).lane, row.string(12),
        std::string(to_string(read_tracking_state(row, 13))), row.string(14),
        std::make_shared<const std::string>(row.text(15)), row.time(16), row.string(17)});
}

op_result<std::optional<delivery_head>> record_delivery_attempt(database& db, const attempt_record& attempt) {
    const auto before = find_delivery(db, attempt.id);
    if (!before || before->state != track::delivery_state::pending) return std::optional<delivery_head>();
    // A success ends the delivery whichever attempt it was; a failure counts only if it is the next one, or (0) one
    // that its maker knows to be overtaken by a retry.
    const bool follows = attempt.attempts == before->attempts + 1 ||
                         (attempt.attempts == 0 && attempt.state == track::delivery_state::pending);
    if (!follows && attempt.state != track::delivery_state::delivered) return std::optional<delivery_head>();
    const bool goes_on = attempt.state == track::delivery_state::pending;
    const auto next_attempt_at = goes_on ? std::optional(attempt.next_attempt_at.value_or(attempt.at)) : std::nullopt;
    static constexpr sql_literal write_attempt = R"sql(
        UPDATE deliveries
        SET state = ?, attempts = ?, last_attempt_at = ?, last_status = ?, last_error = ?,
            next_attempt_at = ?
        WHERE id = ?
    )sql";
    db.sql(write_attempt)
        .execute(
            attempt.state, attempt.attempts, attempt.at, attempt.status, null_if_empty(attempt.error), next_attempt_at,
            attempt.id);
    if (goes_on) return std::optional<delivery_head>();
    count_change(db, before->lane, before->state, attempt.state);
    if (before->replay && attempt.state == track::delivery_state::delivered) {
        static constexpr sql_literal count_delivered = R"sql(
            UPDATE replays
            SET delivered = delivered + 1
            WHERE id = ?
        )sql";
        db.sql(count_delivered).execute(*before->replay);
    }
    if (before->is_only_one) return std::optional<delivery_head>();
    return promote_next(db, *before, attempt.at);
}

op_result<delivery_head> retry_one_delivery(database& db, delivery_id id, wall_time now) {
    auto found = find_delivery(db, id);
    if (!found) return make_store_error(store_error::not_found, "retry a delivery", "there is no such delivery");
    if (const std::string& callback = db.sums.lane_at(found->lane).callback; is_callback_paused(db, callback))
        return make_store_error(store_error::paused, "retry a delivery", callback);
    if (found->state == track::delivery_state::pending && !found->next_attempt_at && has_head(db, *found)) {
        delivery_head waiting = make_head(db, *found, now);
        waiting.waits = true;
        return waiting;
    }
    db.sql(make_pending).execute(now, id);
    count_change(db, found->lane, found->state, track::delivery_state::pending);
    found->attempts = 0;
    found->replay.reset();
    delivery_head head = make_head(db, *found, now);
    if (!db.holds(found->transaction_row)) {
        db.mail.note(mail_kind::retried, static_cast<std::int64_t>(value_of(id)));
        db.tell_owner_of_lane(found->transaction_row, found->lane);
        head.waits = true; // for its owner
    }
    return head;
}

op_result<retry_slice> retry_dead_deliveries(
    database& db, const std::optional<std::string>& callback, wall_time now, std::size_t limit) {
    retry_slice slice;
    const auto pauses = read_pauses(db);
    if (callback && pauses.contains(*callback))
        return make_store_error(store_error::paused, "retry dead deliveries", *callback);
    std::string held_back;
    for (const lane_total& lane : db.sums.lanes()) {
        if (lane.dead == 0 || (callback && lane.callback != *callback)) continue;
        if (pauses.contains(lane.callback)) {
            held_back = lane.callback;
            continue;
        }
        std::vector<stored_delivery> dead;
        {
            static constexpr sql_literal dead_of_lane = R"sql(
                SELECT id, transaction_row, url IS NOT NULL
                FROM deliveries INDEXED BY deliveries_dead
                WHERE lane = ? AND state = 2
                ORDER BY id
                LIMIT ?
            )sql";
            query row = db.sql(dead_of_lane).select(lane.row, limit - slice.retried);
            while (row.next()) {
                dead.push_back(
                    {delivery_id{row.count(0)},
                     lane.row,
                     row.integer(1),
                     track::delivery_state::dead,
                     0,
                     {},
                     row.flag(2)});
            }
        }
        for (const stored_delivery& each : dead) {
            const bool waits = has_head(db, each);
            const auto next_attempt_at = waits ? std::nullopt : std::optional(now);
            db.sql(make_pending).execute(next_attempt_at, each.id);
            count_change(db, each.lane, track::delivery_state::dead, track::delivery_state::pending);
            db.tell_owner_of_lane(each.transaction_row, each.lane);
        }
        slice.retried += dead.size();
        if (slice.retried >= limit) break;
    }
    if (slice.retried == 0 && !held_back.empty())
        return make_store_error(store_error::paused, "retry dead deliveries", held_back);
    slice.more = slice.retried >= limit;
    return slice;
}

std::uint64_t drop_replayed_deliveries(
    database& db, replay_id replay, const std::set<delivery_id>& except, wall_time now,
    std::vector<delivery_head>& heads) {
    std::vector<stored_delivery> dropped;
    {
        static constexpr sql_literal pending_of_replay = R"sql(
            SELECT id, lane, transaction_row, next_attempt_at
            FROM deliveries INDEXED BY deliveries_replayed
            WHERE replay = ? AND state = 0
            ORDER BY id
        )sql";
        query row = db.sql(pending_of_replay).select(replay);
        while (row.next()) {
            if (except.contains(delivery_id{row.count(0)})) continue;
            dropped.push_back(
                {delivery_id{row.count(0)}, row.integer(1), row.integer(2), track::delivery_state::pending, 0,
                 row.optional_time(3), false, replay});
        }
    }
    for (const stored_delivery& each : dropped) {
        db.sql(R"sql(DELETE FROM deliveries WHERE id = ?)sql").execute(each.id);
        db.sums.count_deliveries(each.lane, -1, 0, -1);
    }
    for (const stored_delivery& each : dropped) {
        if (!each.next_attempt_at) continue; // it waited itself
        if (auto next = promote_next(db, each, now)) heads.push_back(std::move(*next));
    }
    return dropped.size();
}

op_result<std::monostate> set_lane_failing(database& db, const std::string& lane, std::optional<wall_time> since) {
    db.sums.set_failing(db.sums.lane_row(*db.connection, lane, std::string(callback_of_lane(lane))), since);
    return std::monostate();
}

op_result<recovery_slice> end_lane_failing(
    database& db, const std::string& lane, const lane_recovery& how, std::pair<wall_time, delivery_id> after,
    std::size_t limit) {
    recovery_slice slice;
    const lane_total* const known = db.sums.find_lane(lane);
    if (known == nullptr) return slice;
    std::vector<delivery_id> freed;
    std::size_t looked_at = 0;
    {
        static constexpr sql_literal due_after = R"sql(
            SELECT id, attempts, last_attempt_at, next_attempt_at
            FROM deliveries INDEXED BY deliveries_due
            WHERE lane = ?
              AND state = 0
              AND next_attempt_at IS NOT NULL
              AND (next_attempt_at, id) > (?, ?)
            ORDER BY next_attempt_at, id
            LIMIT ?
        )sql";
        query row = db.sql(due_after).select(known->row, after.first, after.second, limit);
        for (; row.next(); ++looked_at) {
            const delivery_id id{row.count(0)};
            after = {row.time(3), id};
            const auto attempts = static_cast<std::uint32_t>(row.integer(1));
            if (attempts > 0 && how.is_freed({attempts, row.optional_time(2), row.time(3)})) freed.push_back(id);
        }
    }
    for (const delivery_id id : freed) {
        static constexpr sql_literal free_one = R"sql(
            UPDATE deliveries
            SET attempts = attempts - 1, next_attempt_at = ?
            WHERE id = ?
        )sql";
        db.sql(free_one).execute(how.now, id);
    }
    if (!freed.empty() && !db.holds_all()) db.mail.note(mail_kind::lane, known->row);
    slice.freed = freed.size();
    if (looked_at == limit) {
        slice.after = after;
    } else {
        db.sums.set_failing(known->row, std::nullopt);
    }
    return slice;
}

} // namespace prooftrack::store
