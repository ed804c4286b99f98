#pragma once

// What searches look at before they read rows, kept so that it costs the write path little: nothing is written for a
// single row, but a little for all rows of a commit.
//
// `metadata_terms` says which transactions have a member of the metadata. A term is 28 bits of a hash of the member's
// name and value and the row's place in its segment (segments.hpp). The terms of a commit are one row for each segment;
// when a segment is full, all of its terms are sorted into a few rows. What changes in an older one is gathered beside
// them, a search reads all of it, and it is sorted in when it is a quarter of what is sorted: so what a change costs
// does not grow with the segment.
// `segment_ranges` says between which values a segment's keys lie: times of the transactions and the events, and the
// events of the deliveries.
//
// Both may name too much, never too little: two members may have the same hash, a range is rounded and never narrowed,
// and what was undone, changed or pruned is not taken out before its segment is empty or has too many terms. Who
// searches checks each row.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/connection.hpp"

namespace prooftrack::store {

/// What the keys of a table are searched by. The values stand in the column `list`.
enum class ranged_list : std::uint8_t {
    tracked = 0,  ///< rows of transactions by `tracked_at`
    recorded = 1, ///< seqs of events by `recorded_at`
    owed = 2,     ///< ids of deliveries by `event_seq`
};

/// What a commit is about to add; belongs to the store's thread. After a rollback of one operation it may keep what
/// that added; after a rollback of all, `forget` it.
class search_index {
  public:
    /// `key` has the value (milliseconds since 1970, or a seq) from now on.
    void note(ranged_list list, std::int64_t key, std::int64_t value);
    /// The transaction has this metadata from now on: a JSON object's bytes; what is none has no terms.
    void note_metadata(std::int64_t row, std::string_view metadata);

    /// Writes what was noted: before a commit, and before a search. Throws sqlite_error.
    void flush(db_connection& db);
    void forget();
    /// Takes out what is known of a segment of transactions that has no row left.
    void remove_segment(db_connection& db, std::int64_t segment);

  private:
    struct range {
        std::int64_t segment = -1;
        std::int64_t least = 0;
        std::int64_t greatest = 0;
    };

    /// How many terms of an older segment the table has.
    struct segment_terms {
        std::size_t sorted = 0;
        std::size_t added = 0;  ///< since they were sorted
        std::size_t needed = 0; ///< when its rows were read last; 0 = not in this life
    };

    void add_to_older(db_connection& db, std::int64_t segment, const std::string& bytes);
    void sort(db_connection& db, std::int64_t segment);

    std::array<range, 3> known_{};                                   ///< of each list the one that was noted last
    std::map<std::pair<ranged_list, std::int64_t>, range> to_write_; ///< by list and segment
    std::vector<std::uint64_t> terms_;                               ///< segment, hash, place
    std::optional<std::int64_t> newest_segment_;  ///< that has terms in the table; nullopt = not looked up yet
    std::map<std::int64_t, segment_terms> sizes_; ///< of those that were changed or sorted since the start
};

/// Keys of the segment whose terms name this member, in any order; also some that have another one.
std::vector<std::int64_t> keys_with_member(
    db_connection& db, std::int64_t segment, std::string_view name, std::string_view value);

/// Segments of the list in which a key may have a value from `least` to `greatest`, ascending.
std::vector<std::int64_t> segments_in_range(
    db_connection& db, ranged_list list, std::int64_t least, std::int64_t greatest);

/// Takes out the ranges of the segments below.
void remove_ranges_below(db_connection& db, ranged_list list, std::int64_t segment);

/// Fills the empty tables: the step to the schema that has them.
void index_everything(db_connection& db);

} // namespace prooftrack::store
