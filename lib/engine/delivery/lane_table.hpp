#pragma once

// The lanes that are in memory, found by name and by number, and which of them is to be woken next.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/own_url.hpp"
#include "engine/delivery/callback_table.hpp"
#include "store/store.hpp"
#include "track/delivery_lane.hpp"
#include "track/failing_mark.hpp"
#include "track/lane_number.hpp"

namespace prooftrack::engine {

/// Most lanes of callback_urls in memory, and most heads in each: beyond them deliveries wait in the store for a lane
/// to empty.
inline constexpr std::size_t most_url_lanes = 4096;
inline constexpr std::size_t url_lane_capacity = 64;

inline track::lane_head lane_head_of(const store::delivery_head& head) {
    const auto kind = head.is_replay ? track::delivery_kind::replayed : track::delivery_kind::recorded;
    return {head.id, head.attempts, head.next_attempt_at, head.transaction_hash, kind};
}

/// One lane with what the delivery side keeps beside it.
struct delivery_slot {
    /// Reading the lane's next heads: idle -> asked -> idle, or refused until the store has space again.
    enum class refill_state : std::uint8_t { idle, asked, refused };

    delivery_slot(std::string lane_name, track::lane_number made_as, track::delivery_lane first)
        : name(std::move(lane_name)), number(made_as), is_url(is_own_url_lane(name)), lane(std::move(first)) {}

    std::string name; ///< the callback's, or `scheme://host:port`
    track::lane_number number{};
    bool is_url = false;
    track::delivery_lane lane;
    refill_state refill = refill_state::idle;
    track::failing_mark mark;
    steady_time next_failing_log{};
    wall_time failing_from{};        ///< of the present or the last time
    std::string last_error;          ///< of the attempt that failed last
    std::optional<steady_time> wake; ///< set by lane_table::arm
    bool is_read_outdated = false;   ///< the one that is asked for: its answer may be older than what is known

    /// The store's heads may be others now: the lane is read again, behind a read that is on its way.
    void read_again() {
        lane.invalidate();
        is_read_outdated = refill == refill_state::asked;
    }

    std::string shown_name() const { return std::string(callback_of_lane(name)); }
};

/// References to a slot hold until it is erased.
class lane_table {
  public:
    using slots_by_name = std::map<std::string, std::unique_ptr<delivery_slot>, std::less<>>;

    /// nullptr when there is none.
    delivery_slot* find(std::string_view lane);
    delivery_slot* find(track::lane_number number);
    /// For an answer to a question that keeps its lane: requires that it is there.
    delivery_slot& at(track::lane_number number);

    /// Whether one more lane of a callback_url may be made.
    bool has_url_room() const { return url_lanes_ < most_url_lanes; }
    /// Requires that none has this name and that the table is not full.
    delivery_slot& make(
        const std::string& lane, track::stored_heads stored, std::optional<track::lane_settings> settings);
    /// Requires that the slot is of this table.
    void erase(const delivery_slot& slot);

    /// When the lane is to be looked at again; nullopt = only when something happens.
    void arm(delivery_slot& slot, std::optional<steady_time> wake);
    void disarm_all();
    std::optional<steady_time> next_wake() const;
    /// The lanes whose wake has come, the earliest first.
    std::vector<track::lane_number> due(steady_time now) const;

    const slots_by_name& slots() const { return by_name_; }
    /// All in the order of names: for loops that may erase.
    std::vector<track::lane_number> numbers() const;
    std::size_t size() const { return by_name_.size(); }

  private:
    using wake_place = std::pair<steady_time, track::lane_number>;

    slots_by_name by_name_;
    std::map<track::lane_number, delivery_slot*> by_number_;
    std::set<wake_place> wakes_;
    std::size_t url_lanes_ = 0;
    std::uint64_t last_number_ = 0;
};

} // namespace prooftrack::engine
