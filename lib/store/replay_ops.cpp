#include "store/replay_ops.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "store/delivery_ops.hpp"

namespace prooftrack::store {
namespace {

using clock = std::chrono::steady_clock;

/// A commit waits no longer for the events that one step looks at.
constexpr milliseconds longest_look{5};
constexpr std::size_t rows_a_look = 256;
/// Events counted in one step.
constexpr std::size_t most_counted = 4096;

struct found_event {
    event_seq seq{};
    std::int64_t transaction_row = 0;
};

std::string joined(const std::vector<std::string>& types) { return fmt::format("{}", fmt::join(types, " ")); }

std::vector<std::string> split(std::string_view types) {
    std::vector<std::string> words;
    while (!types.empty()) {
        const std::size_t end = std::min(types.find(' '), types.size());
        words.emplace_back(types.substr(0, end));
        types.remove_prefix(std::min(end + 1, types.size()));
    }
    return words;
}

/// Whether a delivery of the event to the lane is kept.
bool was_owed(database& db, const found_event& event, const lane_total* lane) {
    if (lane == nullptr || lane->total == 0) return false;
    static constexpr sql_literal delivery_of_event = R"sql(
        SELECT 1
        FROM deliveries INDEXED BY deliveries_of
        WHERE transaction_row = ?
          AND event_seq = ?
          AND lane = ?
        LIMIT 1
    )sql";
    query row = db.sql(delivery_of_event).select(event.transaction_row, event.seq, lane->row);
    return row.next();
}

/// Events from `next` on that fit by themselves; `next` moves behind what was looked at.
std::vector<found_event> look_at_events(database& db, const track::replay_query& wanted, event_seq& next) {
    std::vector<found_event> fitting;
    static constexpr sql_literal events_from = R"sql(
        SELECT e.seq, e.transaction_row, e.type, e.recorded_at, t.row IS NOT NULL
        FROM events e
        LEFT JOIN transactions t ON t.row = e.transaction_row
        WHERE e.seq >= ?
          AND e.seq < ?
        ORDER BY e.seq
        LIMIT ?
    )sql";
    std::size_t rows = 0;
    query row = db.sql(events_from).select(next, *wanted.before, rows_a_look);
    for (; row.next(); ++rows) {
        next = event_seq{row.count(0) + 1};
        const std::string_view type = row.text(2);
        const wall_time at = row.time(3);
        const bool fits =
            row.flag(4) && (!wanted.since || at >= *wanted.since) && (!wanted.until || at < *wanted.until);
        if (fits && std::find(wanted.types.begin(), wanted.types.end(), type) != wanted.types.end())
            fitting.push_back({event_seq{row.count(0)}, row.integer(1)});
    }
    if (rows < rows_a_look) next = *wanted.before;
    return fitting;
}

struct event_scan {
    std::vector<found_event> found;
    event_seq next{}; ///< every event before it was looked at
};

/// At most `most` of the replay's events from `next` on; it may end early.
event_scan find_events(database& db, const track::replay_query& wanted, event_seq next, std::size_t most) {
    const auto until = clock::now() + longest_look;
    const lane_total* const lane = wanted.only_missing ? db.sums.find_lane(wanted.callback) : nullptr;
    event_scan scan{{}, std::max(next, db.sums.first_event())};
    do {
        for (const found_event& each : look_at_events(db, wanted, scan.next)) {
            if (!wanted.only_missing || !was_owed(db, each, lane)) {
                if (scan.found.size() == most) {
                    scan.next = each.seq; // it comes with the next step
                    return scan;
                }
                scan.found.push_back(each);
            }
            if (clock::now() >= until) { // a transaction may have thousands of deliveries to look through
                scan.next = event_seq{value_of(each.seq) + 1};
                return scan;
            }
        }
    } while (scan.next < *wanted.before && scan.found.size() < most && clock::now() < until);
    scan.next = std::min(scan.next, *wanted.before);
    return scan;
}

std::uint64_t count_pending(database& db, replay_id id) {
    static constexpr sql_literal pending_of_replay = R"sql(
        SELECT count(*)
        FROM deliveries INDEXED BY deliveries_replayed
        WHERE replay = ? AND state = 0
    )sql";
    query row = db.sql(pending_of_replay).select(id);
    return row.next() ? row.count(0) : 0;
}

/// From all columns; without what is pending.
track::replay_view read_replay(const query& row) {
    track::replay_view view;
    view.id = replay_id{row.count(0)};
    view.query.callback = row.string(1);
    view.query.after = event_seq{row.count(2)};
    view.query.before = event_seq{row.count(3)};
    view.query.since = row.optional_time(4);
    view.query.until = row.optional_time(5);
    view.query.types = split(row.text(6));
    view.query.only_missing = row.flag(7);
    view.events = row.count(8);
    view.next = event_seq{row.count(9)};
    view.made = row.count(10);
    view.delivered = row.count(11);
    view.created_at = row.time(12);
    view.ended_at = row.optional_time(13);
    if (view.ended_at) view.state = row.flag(14) ? track::replay_state::cancelled : track::replay_state::done;
    return view;
}

std::optional<track::replay_view> find_replay(database& db, replay_id id) {
    std::optional<track::replay_view> found;
    {
        static constexpr sql_literal replay_by_id = R"sql(
            SELECT id, callback, after_seq, before_seq, since, until, types, missing, events, next_seq,
                made, delivered, created_at, ended_at, cancelled
            FROM replays
            WHERE id = ?
        )sql";
        query row = db.sql(replay_by_id).select(id);
        if (row.next()) found = read_replay(row);
    }
    if (found) found->pending = count_pending(db, id);
    return found;
}

op_error unknown_replay(const char* operation) {
    return make_store_error(store_error::not_found, operation, "there is no such replay");
}

/// What the list does not show any more.
void forget_old_replays(database& db) {
    static constexpr sql_literal all_but_latest = R"sql(
        DELETE FROM replays
        WHERE ended_at IS NOT NULL
          AND id NOT IN (
            SELECT id
            FROM replays
            WHERE ended_at IS NOT NULL
            ORDER BY id DESC
            LIMIT ?
          )
    )sql";
    db.sql(all_but_latest).execute(most_ended_replays);
}

} // namespace

std::optional<op_result<track::replay_view>> replay_beginning::step(database& db) {
    if (!is_dry_run_) {
        if (auto refused = why_not(db)) return op_result<track::replay_view>(std::move(*refused));
    }
    if (!has_begun_) {
        has_begun_ = true;
        const event_seq behind_last{value_of(db.sums.last_event()) + 1};
        query_.before = std::min(query_.before.value_or(behind_last), behind_last);
        next_ = event_seq{value_of(query_.after) + 1};
    }
    if (next_ < *query_.before) {
        const event_scan scan = find_events(db, query_, next_, most_counted);
        events_ += scan.found.size();
        next_ = scan.next;
        if (next_ < *query_.before) return std::nullopt;
    }
    if (!is_dry_run_) return op_result<track::replay_view>(insert(db));
    track::replay_view counted;
    counted.query = query_;
    counted.events = events_;
    counted.created_at = now_;
    return op_result<track::replay_view>(std::move(counted));
}

std::optional<op_error> replay_beginning::why_not(database& db) const {
    std::size_t running = 0;
    static constexpr sql_literal running_ones = R"sql(
        SELECT id, callback
        FROM replays
        WHERE ended_at IS NULL
        ORDER BY id
    )sql";
    query row = db.sql(running_ones).select();
    for (; row.next(); ++running) {
        if (row.text(1) != query_.callback) continue;
        return make_store_error(
            store_error::busy, "begin a replay",
            fmt::format("replay {} to '{}' is running", row.count(0), row.text(1)));
    }
    if (running < most_running_replays) return std::nullopt;
    return make_store_error(store_error::busy, "begin a replay", fmt::format("{} replays are running", running));
}

track::replay_view replay_beginning::insert(database& db) const {
    track::replay_view view;
    view.query = query_;
    view.events = events_;
    view.next = event_seq{value_of(query_.after) + 1};
    view.created_at = now_;
    {
        query row = db.sql(R"sql(SELECT coalesce(max(id), 0) + 1 FROM replays)sql").select();
        if (row.next()) view.id = replay_id{row.count(0)};
    }
    static constexpr sql_literal insert_replay = R"sql(
        INSERT INTO replays
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, NULL, 0)
    )sql";
    const std::string types = joined(query_.types);
    db.sql(insert_replay)
        .execute(
            view.id, query_.callback, query_.after, query_.before, query_.since, query_.until, types,
            query_.only_missing, view.events, view.next, now_);
    forget_old_replays(db);
    db.tell_all(mail_kind::replays);
    return view;
}

op_result<replay_progress> advance_one_replay(database& db, const replay_step& step) {
    auto known = find_replay(db, step.id);
    if (!known) return unknown_replay("advance a replay");
    replay_progress progress;
    progress.replay = std::move(*known);
    track::replay_view& replay = progress.replay;
    if (replay.ended_at) return progress;
    const std::size_t room = step.most_pending > replay.pending ? step.most_pending - replay.pending : 0;
    const std::size_t most = std::min(room, step.most_made);
    if (most > 0 && replay.next < *replay.query.before) {
        const std::string& callback = replay.query.callback;
        const event_scan scan = find_events(db, replay.query, replay.next, most);
        for (const found_event& each : scan.found) {
            const owed_delivery owed{each.seq, each.transaction_row, step.now, false};
            if (auto head = insert_delivery(db, owed, callback, callback, std::nullopt, replay.id))
                progress.heads.push_back(std::move(*head));
        }
        progress.made = scan.found.size();
        replay.made += progress.made;
        replay.pending += progress.made;
        replay.next = scan.next;
        static constexpr sql_literal move_on = R"sql(
            UPDATE replays
            SET next_seq = ?, made = ?
            WHERE id = ?
        )sql";
        db.sql(move_on).execute(replay.next, replay.made, replay.id);
    }
    if (replay.next >= *replay.query.before && replay.pending == 0) {
        replay.state = track::replay_state::done;
        replay.ended_at = step.now;
        db.sql(R"sql(UPDATE replays SET ended_at = ? WHERE id = ?)sql").execute(step.now, replay.id);
    }
    return progress;
}

op_result<replay_end> cancel_one_replay(
    database& db, replay_id id, const std::set<delivery_id>& under_way, wall_time now) {
    auto known = find_replay(db, id);
    if (!known) return unknown_replay("cancel a replay");
    replay_end end;
    end.replay = std::move(*known);
    if (end.replay.ended_at) return end;
    end.was_running = true;
    end.dropped = drop_replayed_deliveries(db, id, under_way, now, end.heads);
    end.replay.made -= end.dropped;
    end.replay.pending -= end.dropped;
    end.replay.state = track::replay_state::cancelled;
    end.replay.ended_at = now;
    static constexpr sql_literal end_replay = R"sql(
        UPDATE replays
        SET made = ?, ended_at = ?, cancelled = 1
        WHERE id = ?
    )sql";
    db.sql(end_replay).execute(end.replay.made, now, id);
    db.tell_all(mail_kind::replays);
    return end;
}

op_result<std::vector<track::replay_view>> list_replays(database& db) {
    std::vector<track::replay_view> views;
    {
        static constexpr sql_literal newest_first = R"sql(
            SELECT id, callback, after_seq, before_seq, since, until, types, missing, events, next_seq,
                made, delivered, created_at, ended_at, cancelled
            FROM replays
            ORDER BY id DESC
        )sql";
        query row = db.sql(newest_first).select();
        while (row.next()) views.push_back(read_replay(row));
    }
    for (track::replay_view& view : views) view.pending = count_pending(db, view.id);
    return views;
}

} // namespace prooftrack::store
