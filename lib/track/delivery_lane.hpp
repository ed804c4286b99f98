#pragma once

// One callback's deliveries: which may start now, when the next one may, and what an attempt's end means. Pure.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "track/busy_deliveries.hpp"
#include "track/delivery_health.hpp"
#include "track/delivery_policy.hpp"
#include "track/delivery_queue.hpp"

namespace prooftrack::track {

/// Most heads of one configured callback in memory.
inline constexpr std::size_t lane_capacity = 1024;

/// Attempts that have ended and are being recorded, beside those in flight: beyond this a slow store holds the lane
/// back.
inline constexpr std::size_t most_being_recorded = 64;

/// After how long a delivery is checked again whose wait the store is about to end.
inline constexpr seconds recovery_look_interval{1};

/// Most replayed deliveries in flight on a lane that may have `limit`: half of it, so that what is recorded meanwhile
/// finds the other half free.
constexpr std::size_t share_of_replays(std::size_t limit) { return limit <= 1 ? limit : limit / 2; }

/// What a lane takes from the configuration.
struct lane_settings {
    std::vector<milliseconds> retry_schedule; ///< the waits after the first attempt
    std::size_t max_in_flight = 16;
    std::size_t load_ahead = 0; ///< so many have their bytes loaded before their turn; at least max_in_flight
};

/// The steps of a delivery: `insert` -> `take` (its bytes are being loaded) -> `loaded` -> `begin` (the attempt is
/// made) -> `finish` (it is being recorded) -> `forget`, and with a further attempt `insert` again. Between `take` and
/// `forget` it is busy (see busy_deliveries): an insert of a busy one changes nothing. A lane without settings (its
/// callback was removed or renamed) starts nothing and keeps no heads in memory. A paused one begins no attempt; those
/// that are made end as ever.
class delivery_lane {
  public:
    struct finished {
        attempt_decision decision;
        std::uint32_t attempts = 0; ///< to be recorded; 0 when its schedule was started anew
        delivery_health::change change = delivery_health::change::none;
    };

    delivery_lane(std::size_t capacity, stored_heads stored, std::optional<lane_settings> settings);

    /// From the next attempt on; nullopt = not configured.
    void configure(std::optional<lane_settings> settings);
    bool configured() const { return settings_.has_value(); }
    std::span<const milliseconds> schedule() const { return schedule_; }

    void pause() { paused_ = true; }
    /// What has waited goes ramped, as after a recovery. Without a pause it changes nothing.
    void resume();
    bool paused() const { return paused_; }

    void insert(const lane_head& head, wall_time now);
    /// The first heads in the store's order, as an answer to `refill_size()`.
    void refill(std::span<const lane_head> heads, std::size_t asked, wall_time now);
    void invalidate() { queue_.invalidate(); }
    /// What waits of other shards is forgotten; what is busy is not touched.
    void keep(const shard_set& held) { queue_.keep(held); }
    bool wants_refill() const { return configured() && queue_.wants_refill(); }
    std::size_t refill_size() const { return queue_.capacity() + busy_.size(); }

    /// The next delivery to load, if one may go now or soon: a replayed one only when no recorded one may.
    std::optional<lane_head> take(instant now);
    /// What follows from what the store has of a delivery that was loaded.
    struct loaded_verdict {
        enum class verdict : std::uint8_t {
            ready, ///< `loaded`: it may be attempted
            back,  ///< `put_back` until `due`
            gone,  ///< `forget`: it has ended meanwhile
        };
        verdict what = verdict::gone;
        wall_time due{};
    };
    /// `stored` is nullptr when the store has it no more.
    loaded_verdict judge(const delivery_view* stored, wall_time now) const;
    /// Its bytes are there. Requires that it was taken.
    void loaded(delivery_id id) { busy_.loaded(id); }
    std::optional<delivery_id> first_ready() const { return busy_.first_ready(); }
    /// What becomes of the first one that is ready.
    enum class turn : std::uint8_t {
        go,   ///< `begin` it
        wait, ///< for the end of an attempt
        back, ///< `put_back`: the callback went, turned failing or was paused meanwhile
    };
    turn next_turn(steady_time now) const;
    /// It was looked at too early: back until `due`. Requires that it is busy.
    void put_back(delivery_id id, wall_time due);
    /// Requires that it is the first ready one.
    void begin(delivery_id id, steady_time now);
    /// The attempt ended. `attempts` counts this one. The delivery stays busy until `forget`. Requires `begin`.
    finished finish(
        delivery_id id, std::uint32_t attempts, const attempt_ending& ending, instant now, random_source& random);
    /// Busy no more: its outcome is recorded, or it is gone. Requires that it is busy.
    void forget(delivery_id id);
    /// A manual retry starts its schedule again: a busy one is due at once if its attempt fails.
    void restart(delivery_id id);
    void cancel_restart(delivery_id id); ///< the retry was refused
    /// When a waiting one is looked at; nullopt when it is not in memory.
    std::optional<wall_time> due_of(delivery_id id) const { return queue_.due_of(id); }
    bool is_busy(delivery_id id) const { return busy_.contains(id); }
    bool any_busy() const { return !busy_.empty(); }
    /// Requires that it is busy.
    delivery_phase phase_of(delivery_id id) const { return busy_.phase_of(id); }
    std::size_t in_flight() const { return busy_.attempting(); }

    /// When `take` may succeed by the passing of time alone; nullopt = only after something else happens.
    std::optional<steady_time> next_wake(instant now) const;
    /// The wall clock jumped: waits are counted anew, and what became due goes slowly.
    void on_clock_jump(instant now);
    /// Attempts may start again: if much became due meanwhile it goes slowly.
    void restrain_if_many_are_due(wall_time now);

    /// The callback recovered, and the store ends the waits that the rule ends: in steps, between which it reads and
    /// writes for the lane. Until `end_recovery` none of those deliveries is attempted: the attempt would be overtaken
    /// by the end of its wait.
    recovery_rule begin_recovery(wall_time failing_since, wall_time now);
    void end_recovery() { recovery_.reset(); }

    /// The receiver took a test by hand: that ends `failing` when nothing is pending whose attempt could.
    delivery_health::change on_test_taken();

    delivery_health& health() { return health_; }
    const delivery_health& health() const { return health_; }
    /// Nothing is pending: the store has no heads either.
    bool idle() const { return queue_.whole() && queue_.empty() && busy_.empty(); }
    std::size_t waiting() const { return queue_.size(); }

  private:
    bool has_room(delivery_kind kind) const;
    std::size_t limit() const;
    std::size_t limit(delivery_kind kind) const;
    wall_time due_of(const lane_head& head, wall_time now) const;

    delivery_queue queue_;
    delivery_health health_;
    std::optional<lane_settings> settings_;
    std::vector<milliseconds> schedule_; ///< outlives the settings: an attempt in flight ends by the last one known
    busy_deliveries busy_;
    std::optional<recovery_rule> recovery_; ///< that the store is applying
    bool paused_ = false;
};

} // namespace prooftrack::track
