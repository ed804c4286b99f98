#pragma once

// Replays that run: makes their deliveries step by step, as fast as the callback takes them.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "base/unique_function.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/meters.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"
#include "track/replay_pace.hpp"

namespace prooftrack::engine {

/// Everything durable of a replay is the store's: where it stands, and the deliveries that it made. This remembers when
/// the next step of each is due.
class replay_runner {
  public:
    /// All of it must outlive it.
    struct surroundings {
        const clock_source& clock;
        store::store& storage;
        observe::event_log& log;
        meters& counts;
        delivery_driver& deliveries;
        /// Whether this daemon runs the replays of a shard (base/shards.hpp, of the replay's id); empty: all of them.
        std::function<bool(std::uint8_t)> holds{};
    };
    /// `wake_changed` runs when `next_wake` has become earlier outside of `on_wake`.
    replay_runner(surroundings around, unique_function<void()> wake_changed)
        : around_(around), wake_changed_(std::move(wake_changed)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    /// Goes on with those that the store has.
    void start();
    /// Takes no further step.
    void stop();
    /// Goes on with those that are held, and leaves the others: shards came or went, or another node began or ended
    /// some.
    void reload() { start(); }
    /// One that has just begun, if it is held.
    void add(const track::replay_view& begun);
    /// It was cancelled, on whichever node it ran, and what had waited behind it may go.
    void end(const store::replay_end& cancelled);

    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);
    std::size_t running() const { return runs_.size(); }

  private:
    struct running_replay {
        std::optional<steady_time> due; ///< nullopt = a step is under way
        track::replay_pace pace;
    };

    bool is_held(replay_id id) const;
    task<> load();
    task<> step(replay_id id);
    void hold(const track::replay_view& replay, bool is_resumed);
    void on_stepped(const store::replay_progress& progress);
    void plan(replay_id id, milliseconds wait);
    void forget(const track::replay_view& replay);

    surroundings around_;
    unique_function<void()> wake_changed_;
    std::map<replay_id, running_replay> runs_;
    std::optional<steady_time> load_due_;
    bool is_stopped_ = false;
    lifetime alive_;
};

} // namespace prooftrack::engine
