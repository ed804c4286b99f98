#pragma once

// The deliveries of one lane that were taken from its queue: how far each has come. Pure.

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>

#include "track/delivery_queue.hpp"

namespace prooftrack::track {

/// The phases of a taken delivery. `remove` ends each of them.
///
///   phase        entered by   means
///   loading      take         its bytes are being read from the store
///   ready        loaded       it waits for its turn
///   attempting   begin        the receiver has it
///   recording    finish       its outcome is on its way to the store
enum class delivery_phase : std::uint8_t { loading, ready, attempting, recording };

/// Throws std::logic_error for a step that the table does not have.
class busy_deliveries {
  public:
    /// Requires that it is not busy.
    void take(const lane_head& head);
    /// Requires `loading`.
    void loaded(delivery_id id);
    /// Requires that it is the first ready one of its kind.
    void begin(delivery_id id);
    /// Requires `attempting`.
    void finish(delivery_id id);
    /// Requires that it is busy.
    lane_head remove(delivery_id id);

    /// A manual retry was requested. Has no effect when its outcome is being recorded already or when it is not
    /// busy.
    void restart(delivery_id id);
    /// The retry was refused. Has no effect where `restart` has none.
    void cancel_restart(delivery_id id);
    bool is_restarted(delivery_id id) const { return at(id).restarted; }

    bool contains(delivery_id id) const { return held_.contains(id); }
    /// Requires that it is busy, as does `phase_of`.
    const lane_head& head_of(delivery_id id) const { return at(id).head; }
    delivery_phase phase_of(delivery_id id) const { return at(id).where; }
    /// Recorded ones before replayed ones, each in the order of loading.
    std::optional<delivery_id> first_ready() const;

    bool empty() const { return held_.empty(); }
    std::size_t size() const { return held_.size(); }
    std::size_t size(delivery_kind kind) const { return counts(kind).all; }
    std::size_t fetched() const { return fetched(delivery_kind::recorded) + fetched(delivery_kind::replayed); }
    std::size_t fetched(delivery_kind kind) const { return counts(kind).loading + counts(kind).ready.size(); }
    std::size_t attempting() const { return attempting(delivery_kind::recorded) + attempting(delivery_kind::replayed); }
    std::size_t attempting(delivery_kind kind) const { return counts(kind).attempting; }

  private:
    struct held_delivery {
        lane_head head;
        delivery_phase where = delivery_phase::loading;
        bool restarted = false;
    };

    /// Those of one kind.
    struct kind_counts {
        std::size_t all = 0;
        std::size_t loading = 0;
        std::deque<delivery_id> ready; ///< in the order of loading
        std::size_t attempting = 0;
    };

    const held_delivery& at(delivery_id id) const;
    held_delivery& at(delivery_id id, delivery_phase where);
    kind_counts& counts(delivery_kind kind) { return by_kind_.at(static_cast<std::size_t>(kind)); }
    const kind_counts& counts(delivery_kind kind) const { return by_kind_.at(static_cast<std::size_t>(kind)); }
    void leave(const held_delivery& one);

    std::map<delivery_id, held_delivery> held_;
    std::array<kind_counts, delivery_kind_count> by_kind_;
};

} // namespace prooftrack::track
