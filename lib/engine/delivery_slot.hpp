#pragma once

// The delivery driver's own rows: a lane with its place in the wake order, and an attempt on its way.

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "callback/notifier.hpp"
#include "engine/callback_table.hpp"
#include "store/store.hpp"
#include "track/delivery_lane.hpp"

namespace prooftrack {

inline lane_head lane_head_of(const delivery_head& head) {
    return {head.id, head.attempts, head.next_attempt_at, head.transaction_hash};
}

struct delivery_slot {
    delivery_slot(std::string lane_name, std::uint64_t place, delivery_lane first)
        : name(std::move(lane_name)), number(place), is_url(is_own_url_lane(name)), lane(std::move(first)) {}

    std::string name;         ///< the callback's, or `scheme://host:port`
    std::uint64_t number = 0; ///< the order of making, for a stable order of equal wakes
    bool is_url = false;
    delivery_lane lane;
    std::deque<delivery_id> ready; ///< loaded, waiting for their turn
    std::optional<steady_time> wake;
    steady_time next_failing_log{};
    wall_time failing_from{}; ///< of the present or the last time
    std::string last_error;   ///< of the attempt that failed last
    bool refilling = false;
    bool refill_failed = false;  ///< asked again with the next look for room
    bool failing_known = false;  ///< what the store remembers of its failing was taken over, or is out of date
    bool starved = false;        ///< queued for room among the attempts of callback_urls
    bool saving_failing = false; ///< set_failing is under way
    bool failing_unsaved = false;

    std::string shown_name() const { return is_url ? std::string(own_url_callback) : name; }
};

/// From `take` until its outcome is recorded.
struct delivery_attempt {
    enum class phase : std::uint8_t { loading, ready, attempting, recording, unrecorded };

    delivery_slot* place = nullptr; ///< lives as long as it is busy
    lane_head head;
    phase where = phase::loading;
    std::optional<delivery_record> record; ///< once loaded; its body is let go when the attempt ends
    std::uint32_t number = 0;              ///< which attempt of its schedule this is, from 1
    delivery_outcome outcome;
    attempt_record ending;
};

} // namespace prooftrack
