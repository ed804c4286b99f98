#pragma once

// Periodic work: heartbeat, pruning, the probe of a full disk, the checks of the clocks and of the disk.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "base/unique_function.hpp"
#include "config/config.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/event_feed.hpp"
#include "engine/meters.hpp"
#include "engine/poll_driver.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"
#include "track/clock_watch.hpp"
#include "track/space_watch.hpp"

namespace prooftrack::engine {

/// Wakes about once a second while something is pending, else every 10 s, and for the next step of work under way.
/// Heartbeat every 60 s.
class housekeeping {
  public:
    struct surroundings {
        const clock_source& clock;
        store::store& storage;
        observe::event_log& log;
        meters& counts;
        poll_driver& polls;
        delivery_driver& deliveries;
        event_feed& feed;
    };
    /// `wake_changed` runs when `next_wake` has become earlier outside of `on_wake`.
    housekeeping(surroundings around, unique_function<void()> wake_changed)
        : around_(around), wake_changed_(std::move(wake_changed)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void start(instant now, const config::store_config& retention);
    void reconfigure(const config::store_config& retention) { retention_ = retention; }
    void on_store_state(track::store_state state);
    std::optional<steady_time> next_wake() const { return next_tick_; }
    /// True when wall, steady and boot time disagree since the last call: the machine slept, or its clock was set.
    bool on_wake(instant now);
    /// Brings the gauges up to date from a fresh status.
    void publish(const store::store_status& status, const std::vector<track::consumer_view>& consumers, instant now);

  private:
    bool look_at_clocks(instant now);
    task<> beat();
    task<> probe();
    task<> measure_space();
    void look_at_space(const store::store_status& status);
    void say_alive(const store::store_status& status, const std::vector<track::consumer_view>& consumers);
    task<> prune(store::prune_request request);
    task<> show_pruned();
    std::optional<store::prune_request> prunable(instant now);
    void return_memory();
    void wake_by(steady_time when);

    surroundings around_;
    unique_function<void()> wake_changed_;
    config::store_config retention_;
    track::store_state store_state_ = track::store_state::ok;
    std::optional<steady_time> next_tick_;
    steady_time next_beat_{};
    steady_time next_prune_{};
    steady_time next_probe_{};
    steady_time next_measure_{};
    std::size_t last_size_ = 0;     ///< transactions in memory at the last tick
    std::size_t returned_size_ = 0; ///< and when memory was given back last
    bool is_pruning_ = false;
    bool is_probing_ = false;
    bool is_measuring_ = false;
    track::clock_watch clocks_;
    track::space_watch space_;
    lifetime alive_;
};

} // namespace prooftrack::engine
