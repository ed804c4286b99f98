#pragma once

// The deliveries of one lane that are in memory: the first ones of an order that the store keeps whole. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "base/ids.hpp"
#include "base/shards.hpp"
#include "base/time.hpp"

namespace prooftrack::track {

/// What a delivery is owed for.
enum class delivery_kind : std::uint8_t {
    recorded, ///< its event was recorded, or somebody retried it by hand
    replayed, ///< a replay of the log: it goes behind the recorded ones of the lane
};
inline constexpr std::size_t delivery_kind_count = 2;

/// A delivery that may be attempted: the first pending one of its (callback, transaction).
struct lane_head {
    delivery_id id{};
    std::uint32_t attempts = 0;
    wall_time next_attempt_at{};
    std::uint64_t transaction = 0; ///< distinguishes transactions
    delivery_kind kind = delivery_kind::recorded;
};
inline std::uint8_t shard_of(const lane_head& head) {
    return shard_of_row(static_cast<std::int64_t>(head.transaction));
}

/// Whether the store may hold heads of a lane that is new in memory.
enum class stored_heads : std::uint8_t {
    none,     ///< all there will be are inserted
    possible, ///< they have to be read first
};

/// At most `capacity` heads of one lane. Invariant: every head of the store whose (next_attempt_at, id) lies below the
/// edge is here or busy (see delivery_lane); what lies beyond the edge is in the store alone, and is fetched by a
/// refill when few are left.
class delivery_queue {
  public:
    /// With heads that are possibly stored it requests a refill.
    delivery_queue(std::size_t capacity, stored_heads stored)
        : capacity_(capacity), whole_(stored == stored_heads::none) {}

    /// Takes a head in, to be looked at when `due`; one with the same id is replaced. Beyond the edge it is left to the
    /// store.
    void insert(const lane_head& head, wall_time due);
    void erase(delivery_id id);
    /// The store changed by another path: the heads here stay usable until the refill that is requested now.
    void invalidate();
    /// Forgets the heads of all other shards: the store gives out none of them any more.
    void keep(const shard_set& held);
    /// Nothing stays in memory, the store has it all.
    void clear();

    /// Replaces all by what the store has first: `heads` in its order, at most `asked` of them. `wanted(head)` says
    /// which may be kept, `due(head)` when to look at it.
    template <class Wanted, class Due>
    void refill(std::span<const lane_head> heads, std::size_t asked, Wanted wanted, Due due) {
        empty_memory();
        whole_ = heads.size() < asked;
        stale_ = false;
        if (!whole_) edge_ = heads.empty() ? lowest : behind(heads.back());
        for (const lane_head& head : heads) {
            if (wanted(head)) insert(head, due(head));
        }
    }

    /// Sets every due time anew.
    template <class Due>
    void rearrange(Due due) {
        for (auto& places : by_due_) places.clear();
        for (auto& [id, held] : entries_) {
            held.due = due(held.head);
            due_places(held.head.kind).emplace(held.due, id);
        }
    }

    bool wants_refill() const { return stale_ || (!whole_ && is_low()); }
    bool whole() const { return whole_ && !stale_; }
    bool empty() const { return entries_.empty(); }
    std::size_t size() const { return entries_.size(); }
    std::size_t capacity() const { return capacity_; }
    std::optional<wall_time> first_due(delivery_kind kind = delivery_kind::recorded) const;
    std::optional<wall_time> due_of(delivery_id id) const;
    /// How many are due at `now`, counted up to `most`.
    std::size_t count_due(wall_time now, std::size_t most) const;
    /// Takes out the one of a kind that is due first. Requires that there is one.
    lane_head pop(delivery_kind kind = delivery_kind::recorded);

  private:
    using key = std::pair<wall_time, delivery_id>;
    struct waiting_head {
        lane_head head;
        wall_time due{};
    };
    static constexpr key lowest{wall_time::min(), delivery_id{0}};

    static key key_of(const lane_head& head) { return {head.next_attempt_at, head.id}; }
    std::set<key>& due_places(delivery_kind kind) { return by_due_.at(static_cast<std::size_t>(kind)); }
    const std::set<key>& due_places(delivery_kind kind) const { return by_due_.at(static_cast<std::size_t>(kind)); }
    bool is_low() const;
    static key behind(const lane_head& head) { return {head.next_attempt_at, delivery_id{value_of(head.id) + 1}}; }
    void empty_memory();

    std::size_t capacity_;
    bool whole_;
    bool stale_ = false; ///< what is here may be another one in the store by now
    key edge_ = lowest;  ///< the first place that is not kept here; meaningless when whole_
    std::map<delivery_id, waiting_head> entries_;
    std::set<key> by_key_;
    std::array<std::set<key>, delivery_kind_count> by_due_;
};

} // namespace prooftrack::track
