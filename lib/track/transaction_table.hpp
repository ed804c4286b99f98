#pragma once

// The watched transactions in memory: a flat row each, rare facts beside, an index from id to row.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include "base/shards.hpp"
#include "base/time.hpp"
#include "track/compact_id.hpp"
#include "track/outage_watch.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// Where a row stands in the schedule: exactly one of these at any time.
enum class row_phase : std::uint8_t {
    idle,      ///< in no queue; only between two steps
    waiting,   ///< has a wake-up
    in_flight, ///< a connection has its ticket
    recording, ///< a change of it is on its way to the disk; it is not polled meanwhile
};

/// One transaction, about 80 bytes. Times of steady kind are milliseconds of steady_clock.
struct transaction_row {
    compact_id id;
    tracking_state state = tracking_state::tracking;
    status_kind status = status_kind::none; ///< `other`: the word is in the rare facts
    row_phase phase = row_phase::idle;
    std::uint8_t bad_requests = 0;
    std::uint8_t verifications_done = 0;
    std::uint8_t last_error = 0; ///< index into the table's error texts, 0 = none
    bool was_overdue : 1 = false;
    bool watched : 1 = true;
    bool has_rare_facts : 1 = false;
    bool wants_poll : 1 = false;         ///< a hint or a poll on demand came while in flight or recording
    bool is_urgent : 1 = false;          ///< waits in the queue of hints
    bool is_backing_off : 1 = false;     ///< its wait is an error's
    bool has_poll_in_flight : 1 = false; ///< recording, and the poll that was in flight before still is
    bool is_moved : 1 = false;           ///< its times were mended: to be written with the next answer
    std::uint32_t generation = 0;        ///< distinguishes a reused slot
    /// While its standing is `failing`: in which run of outage_watch.
    std::uint32_t failed_in : outage_watch::run_bits = 0;
    std::uint32_t standing_bits : 2 = 0;
    std::uint32_t is_native : 1 = 0; ///< tracked in this life of the daemon: its age is known whatever the clocks say
    std::uint32_t has_unrecorded : 1 = 0; ///< what Proof said last could not be recorded
    std::uint32_t is_age_stored : 1 = 0;  ///< of a native one: the next life can tell its age
    std::uint64_t known_body = 0;         ///< hash of the last good reply that is stored
    std::int64_t tracked_at = 0;          ///< wall, ms
    std::int64_t overdue_at = 0;          ///< wall, ms
    std::int64_t last_started = 0;        ///< steady, ms; `never` before the first poll
    std::uint32_t polls = 0;
    std::uint32_t body_stored_at = 0; ///< steady, s
    std::uint32_t errors : 24 = 0; ///< in a row, at most `most_errors`
    std::uint32_t shard : 8 = 0;
    row_revision revision{}; ///< of the stored row that these facts are of

    static constexpr std::int64_t never = INT64_MIN;
    static constexpr std::uint32_t most_errors = (1U << 24U) - 1;

    void count_error() { errors = (errors == most_errors ? most_errors : errors + 1U) & most_errors; }
    standing known_standing() const { return static_cast<standing>(standing_bits); }
    /// The start of its last poll and `gap`; always past for one that was never polled.
    steady_time after_last_start(steady_duration gap) const {
        return last_started == never ? steady_time::min() : steady_time(milliseconds(last_started)) + gap;
    }
};
static_assert(sizeof(transaction_row) <= 80, "a million of them are held");

/// Names a row outside of the core: its slot, and the generation that tells it from a later row in the same slot.
struct row_ref {
    std::uint32_t slot = 0;
    std::uint32_t generation = 0;
    bool operator==(const row_ref&) const = default;
};

/// Owns the rows. A slot stays valid until `erase`; a reused slot has another generation. The index is hashed with the
/// process's key at the time when the table is made.
class transaction_table {
  public:
    transaction_table();
    transaction_table(const transaction_table&) = delete;
    transaction_table& operator=(const transaction_table&) = delete;

    std::size_t size() const { return index_.size(); }
    std::size_t slots() const { return used_slots_; }
    std::size_t count(tracking_state state) const { return by_state_.at(static_cast<std::size_t>(state)); }
    std::size_t count(std::uint8_t shard) const { return by_shard_.at(shard); }

    std::optional<std::uint32_t> find(std::string_view id) const;
    /// Requires that the id is not in here.
    std::uint32_t insert(const active_transaction& transaction, instant now);
    /// The id's tracking begins anew, or its row was found to be another one in the store: new facts in the same slot,
    /// so that a poll in flight is still this row's. What was known of the old ones (errors, the last good reply) goes;
    /// the start of the last poll stays.
    void replace(std::uint32_t slot, const active_transaction& transaction, instant now);
    void erase(std::uint32_t slot);

    transaction_row& at(std::uint32_t slot) { return chunks_[slot / chunk_rows][slot % chunk_rows]; }
    const transaction_row& at(std::uint32_t slot) const { return chunks_[slot / chunk_rows][slot % chunk_rows]; }
    /// Whether the slot holds a row now.
    bool is_used(std::uint32_t slot) const { return slot < used_slots_ && at(slot).generation % 2 == 1; }

    row_ref ref(std::uint32_t slot) const { return {slot, at(slot).generation}; }
    /// False for a row that has gone, also when its slot holds another one.
    bool holds(row_ref row) const { return is_used(row.slot) && at(row.slot).generation == row.generation; }

    tracking_facts facts(std::uint32_t slot, instant now) const;
    void set_facts(std::uint32_t slot, const tracking_facts& facts, instant now);
    /// Proof was unwell for that long: the row's grace for 404s does not count it. Applies to every row that has one.
    void shift_not_found(milliseconds by);

    /// How many ids were compared by `find`: shows how well they are spread.
    std::uint64_t comparisons() const { return comparisons_; }
    /// `run` is kept with `failing`.
    void set_standing(std::uint32_t slot, standing now, std::uint32_t run = 0);
    candidates not_failing() const {
        constexpr auto answered = static_cast<std::size_t>(standing::answered);
        constexpr auto untried = static_cast<std::size_t>(standing::untried);
        return {in_band_[answered], in_band_[untried], beside_[answered] + beside_[untried]};
    }

    void set_error(std::uint32_t slot, std::string_view text);
    const std::string& error(std::uint32_t slot) const { return error_texts_[at(slot).last_error]; }

  private:
    struct rare_facts {
        std::optional<wall_time> settled_at;
        std::optional<wall_time> not_found_since;
        std::optional<wall_time> recheck_until;
        std::string status_word;
    };
    struct slot_hash {
        using is_transparent = void;
        using is_avalanching = void;
        const transaction_table* table;
        hash_key key;
        std::size_t operator()(std::uint32_t slot) const { return table->at(slot).id.hash(key); }
        std::size_t operator()(std::string_view id) const { return compact_id::hash_of(key, id); }
    };
    struct slot_equal {
        using is_transparent = void;
        const transaction_table* table;
        bool operator()(std::uint32_t a, std::uint32_t b) const {
            return a == b || table->at(a).id.equals(table->at(b).id.str());
        }
        bool operator()(std::string_view id, std::uint32_t slot) const {
            ++table->comparisons_;
            return table->at(slot).id.equals(id);
        }
        bool operator()(std::uint32_t slot, std::string_view id) const { return (*this)(id, slot); }
    };
    static constexpr std::size_t chunk_rows = 4'096;

    std::uint32_t take_slot();
    void write_facts(std::uint32_t slot, const tracking_facts& facts, instant now);
    void count_standing(const transaction_row& row, bool is_there);
    std::size_t& counter(tracking_state state) { return by_state_.at(static_cast<std::size_t>(state)); }

    std::vector<std::unique_ptr<transaction_row[]>> chunks_; // chunks: growing never moves a row or stalls the loop
    std::uint32_t used_slots_ = 0;
    std::vector<std::uint32_t> free_slots_;
    boost::unordered_flat_set<std::uint32_t, slot_hash, slot_equal> index_;
    mutable std::uint64_t comparisons_ = 0;
    boost::unordered_flat_map<std::uint32_t, rare_facts> rare_;
    std::vector<std::string> error_texts_; ///< interned, bounded; [0] is ""
    std::array<std::size_t, tracking_state_count> by_state_{};
    std::array<std::size_t, shard_count> by_shard_{};
    std::array<std::size_t, 3> in_band_{}; ///< rows in `tracking` by standing
    std::array<std::size_t, 3> beside_{};  ///< those in the other states, but for `untracked`
};

} // namespace prooftrack::track
