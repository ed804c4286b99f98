#include "store/totals.hpp"

#include <algorithm>

namespace prooftrack::store {

bool counters_fit(db_connection& db) {
    return db.ask_integer(R"sql(
        SELECT next_transaction > (SELECT coalesce(max(row), 0) FROM transactions)
           AND next_delivery > (SELECT coalesce(max(id), 0) FROM deliveries)
           AND next_event > (SELECT coalesce(max(seq), 0) FROM events)
           AND first_event <= next_event
           AND first_event = (SELECT coalesce(min(seq), next_event) FROM events)
        FROM counters
        WHERE one = 1
    )sql") == 1;
}

void totals::read_numbers(db_connection& db) {
    numbers_ = {};
    {
        static constexpr sql_literal all_counters = R"sql(
            SELECT next_transaction, next_history, next_delivery, next_event, first_event, log_id
            FROM counters
            WHERE one = 1
        )sql";
        static constexpr sql_literal shared_counters = R"sql(
            SELECT next_transaction, next_history, next_delivery, next_event, first_event, log_id, next_mail
            FROM counters
            WHERE one = 1
        )sql";
        query row = db.prepared(db.is_remote() ? shared_counters : all_counters).select();
        if (!row.next()) throw sqlite_error(SQLITE_CORRUPT, "the counters are missing");
        numbers_.next_transaction = row.integer(0);
        numbers_.next_history = row.integer(1);
        numbers_.next_delivery = row.count(2);
        numbers_.next_event = row.count(3);
        numbers_.first_event = row.count(4);
        log_id_ = row.string(5);
        if (db.is_remote()) numbers_.next_mail = row.integer(6);
    }
    query row = db.prepared(R"sql(SELECT state, kind, number FROM transaction_counts)sql").select();
    while (row.next()) {
        numbers_.counts.at(static_cast<std::size_t>(row.integer(0))).at(static_cast<std::size_t>(row.integer(1))) =
            row.integer(2);
    }
}

void totals::refresh(db_connection& db, std::int64_t since) {
    read_numbers(db);
    static constexpr sql_literal changed_lanes = R"sql(
        SELECT row, lane, callback, pending, dead, total, failing_since
        FROM lanes
        WHERE changed > ?
        ORDER BY row
    )sql";
    query row = db.prepared(changed_lanes).select(since);
    while (row.next()) {
        const auto known = lane_by_row_.find(row.integer(0));
        const std::size_t index = known == lane_by_row_.end() ? lanes_.size() : known->second;
        if (known == lane_by_row_.end()) {
            lane_by_row_[row.integer(0)] = index;
            lane_by_name_[row.string(1)] = index;
            lanes_.emplace_back();
        }
        lanes_[index] = {row.integer(0), row.string(1),     row.string(2),        row.integer(3),
                         row.integer(4), row.integer(5),    row.optional_time(6), true};
    }
    flushed_ = numbers_;
    mark();
}

void totals::load(db_connection& db) {
    *this = totals();
    read_numbers(db);
    static constexpr sql_literal all_lanes = R"sql(
        SELECT row, lane, callback, pending, dead, total, failing_since
        FROM lanes
        ORDER BY row
    )sql";
    query row = db.prepared(all_lanes).select();
    while (row.next()) {
        lane_by_row_[row.integer(0)] = lanes_.size();
        lane_by_name_[row.string(1)] = lanes_.size();
        lanes_.push_back(
            {row.integer(0), row.string(1), row.string(2), row.integer(3), row.integer(4), row.integer(5),
             row.optional_time(6), false});
    }
    mark_dismissed(db);
    flushed_ = numbers_;
    mark();
}

void totals::mark_dismissed(db_connection& db) {
    static constexpr sql_literal next_with_one = R"sql(
        SELECT lane
        FROM deliveries INDEXED BY deliveries_dismissed
        WHERE state = 3
          AND lane > ?
        ORDER BY lane
        LIMIT 1
    )sql";
    for (std::int64_t behind = -1;;) {
        query row = db.prepared(next_with_one).select(behind);
        if (!row.next()) return;
        behind = row.integer(0);
        if (const auto found = lane_by_row_.find(behind); found != lane_by_row_.end())
            lanes_[found->second].has_dismissed = true;
    }
}

void totals::flush_numbers(db_connection& db) {
    if (numbers_ == flushed_) return;
    static constexpr sql_literal write_counters = R"sql(
        UPDATE counters
        SET next_transaction = ?, next_history = ?, next_delivery = ?, next_event = ?,
            first_event = ?
        WHERE one = 1
    )sql";
    db.prepared(write_counters)
        .execute(
            numbers_.next_transaction, numbers_.next_history, numbers_.next_delivery, numbers_.next_event,
            numbers_.first_event);
    if (numbers_.next_mail != flushed_.next_mail)
        db.prepared(R"sql(UPDATE counters SET next_mail = ? WHERE one = 1)sql").execute(numbers_.next_mail);
    static constexpr sql_literal write_count = R"sql(
        INSERT INTO transaction_counts VALUES (?, ?, ?)
        ON CONFLICT (state, kind) DO UPDATE SET number = excluded.number
    )sql";
    statement& count = db.prepared(write_count);
    for (std::size_t state = 0; state < track::tracking_state_count; ++state) {
        for (std::size_t kind = 0; kind < kinds; ++kind) {
            const std::int64_t number = numbers_.counts[state][kind];
            if (number != flushed_.counts[state][kind]) count.execute(state, kind, number);
        }
    }
    flushed_ = numbers_;
}

void totals::flush(db_connection& db, std::int64_t commit) {
    flush_numbers(db);
    std::sort(dirty_lanes_.begin(), dirty_lanes_.end());
    dirty_lanes_.erase(std::unique(dirty_lanes_.begin(), dirty_lanes_.end()), dirty_lanes_.end());
    for (const std::size_t index : dirty_lanes_) {
        const lane_total& lane = lanes_[index];
        static constexpr sql_literal write_lane = R"sql(
            UPDATE lanes
            SET pending = ?, dead = ?, total = ?, failing_since = ?
            WHERE row = ?
        )sql";
        static constexpr sql_literal write_shared_lane = R"sql(
            UPDATE lanes
            SET pending = ?, dead = ?, total = ?, failing_since = ?, changed = ?
            WHERE row = ?
        )sql";
        if (db.is_remote()) {
            db.prepared(write_shared_lane)
                .execute(lane.pending, lane.dead, lane.total, lane.failing_since, commit, lane.row);
        } else {
            db.prepared(write_lane).execute(lane.pending, lane.dead, lane.total, lane.failing_since, lane.row);
        }
    }
    dirty_lanes_.clear();
}

void totals::mark() {
    marked_ = numbers_;
    lane_undo_.clear();
    marked_lanes_ = lanes_.size();
}

void totals::undo() {
    numbers_ = marked_;
    for (auto& [index, before] : lane_undo_) {
        if (index < marked_lanes_) lanes_[index] = std::move(before);
    }
    while (lanes_.size() > marked_lanes_) {
        lane_by_name_.erase(lanes_.back().lane);
        lane_by_row_.erase(lanes_.back().row);
        lanes_.pop_back();
    }
    std::erase_if(dirty_lanes_, [this](std::size_t index) { return index >= marked_lanes_; });
    lane_undo_.clear();
}

std::int64_t totals::take_transaction_row() { return numbers_.next_transaction++; }
std::int64_t totals::take_history_number() { return numbers_.next_history++; }
event_seq totals::take_event_seq() { return event_seq{numbers_.next_event++}; }
delivery_id totals::take_delivery_id() { return delivery_id{numbers_.next_delivery++}; }
void totals::set_first_event(event_seq first) { numbers_.first_event = value_of(first); }

void totals::count_transaction(std::optional<count_cell> from, std::optional<count_cell> to) {
    if (from == to) return;
    const auto at = [this](count_cell cell) -> std::int64_t& {
        return numbers_.counts.at(static_cast<std::size_t>(cell.state)).at(static_cast<std::size_t>(cell.kind));
    };
    if (from) --at(*from);
    if (to) ++at(*to);
}

std::uint64_t totals::transactions(count_cell cell) const {
    return static_cast<std::uint64_t>(
        numbers_.counts.at(static_cast<std::size_t>(cell.state)).at(static_cast<std::size_t>(cell.kind)));
}

const lane_total* totals::find_lane(std::string_view lane) const {
    const auto found = lane_by_name_.find(std::string(lane));
    return found == lane_by_name_.end() ? nullptr : &lanes_[found->second];
}

const lane_total* totals::find_lane(std::int64_t row) const {
    const auto found = lane_by_row_.find(row);
    return found == lane_by_row_.end() ? nullptr : &lanes_[found->second];
}

const lane_total& totals::lane_at(std::int64_t row) const {
    const lane_total* const found = find_lane(row);
    if (found == nullptr) throw sqlite_error(SQLITE_CORRUPT, "a delivery's lane is missing");
    return *found;
}

std::int64_t totals::lane_row(db_connection& db, const std::string& lane, const std::string& callback) {
    if (const lane_total* const known = find_lane(lane)) return known->row;
    const std::int64_t row = lanes_.empty() ? 1 : lanes_.back().row + 1;
    db.prepared(R"sql(INSERT INTO lanes VALUES (?, ?, ?, 0, 0, 0, NULL))sql").execute(row, lane, callback);
    lane_by_name_[lane] = lanes_.size();
    lane_by_row_[row] = lanes_.size();
    lanes_.push_back({row, lane, callback, 0, 0, 0, std::nullopt, false});
    return row;
}

lane_total& totals::change_lane(std::int64_t row) {
    const lane_total& found = lane_at(row);
    const std::size_t index = lane_by_row_.at(row);
    const bool is_kept =
        std::any_of(lane_undo_.begin(), lane_undo_.end(), [index](const auto& kept) { return kept.first == index; });
    if (!is_kept) lane_undo_.emplace_back(index, found);
    dirty_lanes_.push_back(index);
    return lanes_[index];
}

void totals::count_deliveries(std::int64_t lane, std::int64_t pending, std::int64_t dead, std::int64_t total) {
    lane_total& changed = change_lane(lane);
    changed.pending += pending;
    changed.dead += dead;
    changed.total += total;
}

void totals::count_dismissed(std::int64_t lane, std::int64_t number) {
    lane_total& changed = change_lane(lane);
    changed.dead -= number;
    changed.has_dismissed = true;
}

void totals::set_failing(std::int64_t lane, std::optional<wall_time> since) { change_lane(lane).failing_since = since; }

} // namespace prooftrack::store
