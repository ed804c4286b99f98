#pragma once

// What the parts of the delivery driver share, and what they report to it.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/shards.hpp"
#include "callback/notifier.hpp"
#include "engine/delivery/callback_table.hpp"
#include "engine/delivery/callback_view.hpp"
#include "engine/delivery/delivery_stop.hpp"
#include "engine/delivery/fresh_deliveries.hpp"
#include "engine/delivery/lane_table.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"
#include "track/callback_pauses.hpp"
#include "track/shared_limit.hpp"
#include "track/store_pressure.hpp"

namespace prooftrack::engine {

/// Most attempts in flight over all lanes of callback_urls, and all nodes, together.
inline constexpr std::size_t most_url_attempts = 1024;

/// What the delivery side works with. All of it must outlive the delivery side.
struct delivery_dependencies {
    const clock_source& clock;
    store::store& storage;
    callback::notifier& sender;
    observe::event_log& log;
    delivery_metrics& metrics;
};

/// The state that more than one part needs.
struct delivery_context {
    delivery_context(delivery_dependencies given, callback_table callbacks, std::uint64_t seed)
        : deps(given), table(std::move(callbacks)), random(seed) {}

    delivery_dependencies deps;
    callback_table table;
    random_source random;
    lane_table lanes;
    fresh_deliveries fresh;
    track::callback_pauses pauses;
    track::store_pressure pressure;
    delivery_stop stop;
    track::shared_limit url_attempts{table.share_of(most_url_attempts)};
    bool is_held = false; ///< maintenance is on

    shard_set shards = all_shards();              ///< whose deliveries this node makes
    std::optional<steady_duration> trusted_until; ///< since boot; nullopt = for ever

    bool holds(const track::lane_head& head) const { return shards.test(track::shard_of(head)); }
    /// Asks the clock itself: the time of a handler may be old when it comes to the last of many attempts.
    bool is_trusted() const { return !trusted_until || deps.clock.since_boot() < *trusted_until; }
    /// Whether an attempt may be started at all.
    bool may_start() const { return pressure.is_open() && stop.is_running() && !is_held && is_trusted(); }
};

/// The driver as its parts see it. A handler called by the store or the notifier calls `enter` first and `leave` last.
class delivery_host {
  public:
    virtual ~delivery_host() = default;

    /// One reading of the clocks.
    virtual instant enter() = 0;
    virtual void leave() = 0;

    /// Something changed about the lane: starts what may start now. The lane may be gone afterwards.
    virtual void feed(delivery_slot& slot, instant now) = 0;
    /// Removes the lane from memory if nothing needs it.
    virtual void retire_if_idle(delivery_slot& slot) = 0;
    /// A lane was removed, so that one that found the table full may be opened.
    virtual void on_lane_retired() = 0;
    /// A delivery became a head.
    virtual void take_in(const store::delivery_head& head, instant now) = 0;
    virtual void on_health(delivery_slot& slot, track::delivery_health::change change, instant now) = 0;

    /// The store refused a write because the disk is full; what was to be written is kept in memory.
    virtual void on_write_refused(instant now) = 0;
    /// The store wrote something again: writes that wait are repeated and every lane is fed. Lanes may be gone
    /// afterwards.
    virtual void on_store_writable(instant now) = 0;
    virtual void on_store_error(const op_error& error, instant now) = 0;
    /// An outcome is no longer on its way to the store.
    virtual void on_outcome_settled() = 0;
};

} // namespace prooftrack::engine
