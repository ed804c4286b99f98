#pragma once

// The numbers that are kept rather than counted: the next keys, how many transactions are in each state, how many
// deliveries each lane has.

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/ids.hpp"
#include "base/keyed_hash.hpp"
#include "store/connection.hpp"
#include "track/types.hpp"

namespace prooftrack::store {

/// False when something else has written into the tables, or only a part of them was restored.
bool counters_fit(db_connection& db);

/// The counts of one lane.
struct lane_total {
    std::int64_t row = 0;
    std::string lane;
    std::string callback; ///< name for lists
    std::int64_t pending = 0;
    std::int64_t dead = 0;
    std::int64_t total = 0; ///< all deliveries that are kept
    std::optional<wall_time> failing_since;
    bool has_dismissed = false; ///< or had some since the start
};

/// Where a transaction is counted.
struct count_cell {
    track::tracking_state state = track::tracking_state::tracking;
    track::status_kind kind = track::status_kind::none;
    bool operator==(const count_cell&) const = default;
};

/// Mirror in memory of `counters`, `transaction_counts` and `lanes`. Operations change the mirror; `flush` writes what
/// changed inside the same database transaction, so that mirror and tables agree after each commit. `mark` and `undo`
/// follow the savepoint of one operation; after a rollback of the whole transaction, `load` reads the tables again.
class totals {
  public:
    static constexpr std::size_t kinds = 7;

    void load(db_connection& db);
    /// Another daemon may have committed: reads what has changed since the commit of that number (totals of a database
    /// that several share, see store/cluster.hpp).
    void refresh(db_connection& db, std::int64_t since);
    /// `commit` is the number of the commit that it becomes a part of; only in a shared database.
    void flush(db_connection& db, std::int64_t commit = 0);
    void mark();
    void undo();

    std::int64_t take_transaction_row();
    std::int64_t take_history_number();
    std::int64_t take_mail_number() { return numbers_.next_mail++; }
    event_seq take_event_seq();
    delivery_id take_delivery_id();

    event_seq first_event() const { return event_seq{numbers_.first_event}; } ///< last + 1 when none is kept
    event_seq last_event() const { return event_seq{numbers_.next_event - 1}; }
    std::int64_t last_transaction_row() const { return numbers_.next_transaction - 1; } ///< given out last, 0 = none
    std::int64_t last_mail() const { return numbers_.next_mail - 1; }
    delivery_id last_delivery() const { return delivery_id{numbers_.next_delivery - 1}; } ///< made last, 0 = none
    void set_first_event(event_seq first);
    const std::string& log_id() const { return log_id_; }

    void count_transaction(std::optional<count_cell> from, std::optional<count_cell> to);
    std::uint64_t transactions(count_cell cell) const;

    const std::deque<lane_total>& lanes() const { return lanes_; }
    /// nullptr when there never was one of this name.
    const lane_total* find_lane(std::string_view lane) const;
    const lane_total* find_lane(std::int64_t row) const; ///< nullptr when it was forgotten
    const lane_total& lane_at(std::int64_t row) const; ///< throws sqlite_error for a row that is not there
    /// The lane, made at its first use.
    std::int64_t lane_row(db_connection& db, const std::string& lane, const std::string& callback);
    void count_deliveries(std::int64_t lane, std::int64_t pending, std::int64_t dead, std::int64_t total);
    /// So many dead ones are dismissed.
    void count_dismissed(std::int64_t lane, std::int64_t number);
    void set_failing(std::int64_t lane, std::optional<wall_time> since);

  private:
    struct scalar_numbers {
        std::int64_t next_transaction = 1;
        std::int64_t next_history = 1;
        std::uint64_t next_delivery = 1;
        std::uint64_t next_event = 1;
        std::uint64_t first_event = 1;
        std::int64_t next_mail = 1; ///< of a shared database
        std::array<std::array<std::int64_t, kinds>, track::tracking_state_count> counts{};
        bool operator==(const scalar_numbers&) const = default;
    };

    void read_numbers(db_connection& db);
    void flush_numbers(db_connection& db);
    void mark_dismissed(db_connection& db);
    lane_total& change_lane(std::int64_t row);

    scalar_numbers numbers_;
    scalar_numbers flushed_; ///< as the tables have them
    scalar_numbers marked_;
    std::string log_id_;
    std::deque<lane_total> lanes_;
    std::unordered_map<std::string, std::size_t, keyed_string_hash> lane_by_name_; ///< hosts of callback URLs
    std::unordered_map<std::int64_t, std::size_t> lane_by_row_;
    std::vector<std::size_t> dirty_lanes_;
    std::vector<std::pair<std::size_t, lane_total>> lane_undo_; ///< as they were at the mark
    std::size_t marked_lanes_ = 0;
};

} // namespace prooftrack::store
