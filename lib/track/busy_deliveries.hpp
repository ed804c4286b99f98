#pragma once

// The deliveries of one lane that were taken from its queue: how far each has come. Pure.

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
    /// Requires that it is the first ready one.
    void begin(delivery_id id);
    /// Requires `attempting`.
    void finish(delivery_id id);
    /// Requires that it is busy.
    lane_head remove(delivery_id id);

    /// A manual retry was requested. Has no effect when its outcome is being recorded already or when it is not
    /// busy.
    void restart(delivery_id id);
    bool is_restarted(delivery_id id) const { return at(id).restarted; }

    bool contains(delivery_id id) const { return held_.contains(id); }
    /// Requires that it is busy, as does `phase_of`.
    const lane_head& head_of(delivery_id id) const { return at(id).head; }
    delivery_phase phase_of(delivery_id id) const { return at(id).where; }
    std::optional<delivery_id> first_ready() const;

    bool empty() const { return held_.empty(); }
    std::size_t size() const { return held_.size(); }
    std::size_t fetched() const { return loading_ + ready_.size(); } ///< loading or ready
    std::size_t attempting() const { return attempting_; }

  private:
    struct held_delivery {
        lane_head head;
        delivery_phase where = delivery_phase::loading;
        bool restarted = false;
    };

    const held_delivery& at(delivery_id id) const;
    held_delivery& at(delivery_id id, delivery_phase where);
    void leave(delivery_id id, delivery_phase where);

    std::map<delivery_id, held_delivery> held_;
    std::deque<delivery_id> ready_; ///< in the order of loading
    std::size_t loading_ = 0;
    std::size_t attempting_ = 0;
};

} // namespace prooftrack::track
