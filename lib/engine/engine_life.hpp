#pragma once

// Use cases: the daemon's start, its stop, and a configuration that takes the place of another.

#include <cstddef>
#include <functional>
#include <string>
#include <utility>

#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "config/config.hpp"
#include "engine/daemon_state.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/event_feed.hpp"
#include "engine/housekeeping.hpp"
#include "engine/maintenance_hold.hpp"
#include "engine/poll_driver.hpp"
#include "engine/status_report.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// All of it must outlive it.
struct life_parts {
    const clock_source& clock;
    store::store& storage;
    observe::event_log& log;
    poll_driver& polls;
    delivery_driver& deliveries;
    event_feed& feed;
    housekeeping& upkeep;
    daemon_state& state;
    maintenance_hold& hold;
};

class engine_life {
  public:
    /// `wake_changed` runs when anything may be due earlier.
    engine_life(life_parts parts, config::configuration config, std::function<void()> wake_changed)
        : parts_(parts), config_(std::move(config)), standing_{parts.clock.now().wall, ""},
          wake_changed_(std::move(wake_changed)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    const config::configuration& config() const { return config_; }
    const config_standing& standing() const { return standing_; }

    /// Loads the stored transactions, spreads the polls, continues the deliveries. An error if the store failed.
    task<op_result<std::monostate>> begin();
    /// Takes no more polls, lets what is in flight end within `within`, saves the counters, closes the store.
    task<> end(proof::proof_client& proof, milliseconds within);
    /// Applies the keys that need no restart.
    void reconfigure(config::configuration config);
    /// The limits hold for so many daemons together: this one has its part of them.
    void share_among(std::size_t nodes);
    /// A reload was refused: shown until one is taken.
    void on_reload_refused(std::string why);

  private:
    void load(store::store_handler<std::uint64_t> loaded);
    void apply_limits();
    void stop_both(proof::proof_client& proof, milliseconds within, unique_function<void()> stopped);
    void save_counters();
    bool tells_callbacks() const;
    task<> warn_if_nobody_reads();
    void warn_of_no_listener();

    life_parts parts_;
    config::configuration config_;
    std::size_t nodes_ = 1; ///< that share the limits
    config_standing standing_;
    std::function<void()> wake_changed_;
    lifetime alive_;
};

/// The core's options as the configuration has them; `max_rate` is shared by so many daemons.
track::tracker_options make_tracker_options(const config::configuration& config, std::size_t sharing = 1);

} // namespace prooftrack::engine
