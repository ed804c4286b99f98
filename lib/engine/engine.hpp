#pragma once

// Joins the core, Proof, the store, the callbacks and the API; owns all parts of the engine and the one alarm.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "engine/bulk_calls.hpp"
#include "engine/change_audit.hpp"
#include "engine/change_calls.hpp"
#include "engine/cluster_duties.hpp"
#include "engine/consumer_calls.hpp"
#include "engine/control_calls.hpp"
#include "engine/daemon_state.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/delivery_calls.hpp"
#include "engine/engine_backend.hpp"
#include "engine/engine_life.hpp"
#include "engine/event_feed.hpp"
#include "engine/held_shards.hpp"
#include "engine/housekeeping.hpp"
#include "engine/lookup_calls.hpp"
#include "engine/maintenance_calls.hpp"
#include "engine/maintenance_hold.hpp"
#include "engine/meters.hpp"
#include "engine/operator_calls.hpp"
#include "engine/options_calls.hpp"
#include "engine/poll_driver.hpp"
#include "engine/replay_calls.hpp"
#include "engine/replay_runner.hpp"
#include "engine/session_calls.hpp"
#include "engine/session_service.hpp"
#include "engine/status_calls.hpp"
#include "engine/tracking_calls.hpp"
#include "engine/transaction_intake.hpp"
#include "engine/transaction_views.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// What the engine needs of the program around it.
struct engine_hooks {
    std::function<void()> reread_token;                  ///< now; `on_token_changed` follows if it differs
    std::function<bool(std::string_view)> set_log_level; ///< false = no such level
};

/// What the engine works with. All of it must outlive the engine.
struct engine_dependencies {
    const clock_source& clock;
    alarm& wake_up;
    store::store& storage;
    callback::notifier& sender;
    observe::event_log& log;
    meters& counts;
};

/// Everything happens on the loop. Order of life: construct, `attach`, `start`, …, `stop`. Handlers of the drivers hold
/// them: it is destroyed only when the store and the clients have stopped, or when the loop runs no more.
class engine final : private poll_driver_listener, private delivery_metrics {
  public:
    engine(
        config::configuration config, engine_dependencies deps, engine_hooks hooks, std::string version,
        std::uint64_t seed);

    proof::poll_source& polls() { return poll_driver_; }
    void attach(proof::proof_client& proof);
    /// The use cases, for the API.
    api::backend& calls() { return calls_; }

    /// See engine_life::begin; then it joins the cluster, and `ready` runs.
    void start(unique_function<void(op_result<std::monostate>)> ready);
    /// See cluster_duties::stop, then engine_life::end; then `stopped` runs once.
    void stop(milliseconds within, unique_function<void()> stopped);
    /// Applies the keys that need no restart. The adapters must have theirs already.
    void reconfigure(config::configuration config) { life_.reconfigure(std::move(config)); }
    /// A reload was refused: shown until one is taken.
    void on_reload_refused(std::string why) { life_.on_reload_refused(std::move(why)); }
    /// What the status shows, and the log with a changed token.
    void set_secrets(std::vector<secret_view> secrets) { status_.set_secrets(std::move(secrets)); }
    /// What the newest connection to Proof speaks.
    void set_protocol(std::string_view protocol) { status_.set_protocol(protocol); }
    void set_process(process_facts process) { status_.set_process(std::move(process)); }
    void on_token_changed();
    void on_store_state(track::store_state state);
    /// The alarm's handler.
    void on_alarm();
    /// One line for people: how many are open, how Proof and the store are.
    std::string summary() const { return status_.summary(); }
    std::size_t watched() const { return poll_driver_.core().size(); }
    const track::tracker& core() const { return poll_driver_.core(); }
    const delivery_driver& deliverer() const { return delivery_driver_; }

  private:
    session_hooks hooks_of_sessions();
    void arm();

    void on_recorded(const track::change_action& change, store::recorded_transition recorded) override;
    void on_token_wanted() override;
    void on_stepped() override { arm(); }
    void on_delivery(std::string_view callback, std::string_view result) override;
    void on_callback(const callback_view& view) override;

    engine_dependencies deps_;
    engine_hooks hooks_;
    random_source random_;
    proof::proof_client* proof_ = nullptr;
    bool is_arming_ = false;
    std::optional<steady_time> armed_for_;
    daemon_state state_;
    change_audit audit_;
    wait_numbers numbers_;
    // What runs without a call.
    poll_driver poll_driver_;
    delivery_driver delivery_driver_;
    event_feed feed_;
    housekeeping housekeeping_;
    maintenance_hold hold_;
    replay_runner replay_runner_;
    engine_life life_;
    held_shards shards_;
    cluster_duties cluster_;
    // The use cases.
    transaction_views views_;
    transaction_intake intake_;
    lookup_calls lookup_;
    change_calls changes_;
    options_calls options_;
    bulk_calls bulk_;
    tracking_calls tracking_;
    session_service session_service_;
    session_calls sessions_;
    delivery_calls deliveries_;
    control_calls controls_;
    replay_calls replays_;
    consumer_calls consumers_;
    status_calls status_;
    operator_calls operators_;
    maintenance_calls maintenance_;
    engine_backend calls_;
};

} // namespace prooftrack::engine
