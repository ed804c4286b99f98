#pragma once

// The driver: joins the core, Proof, the store, the callbacks and the API; owns the one alarm.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "engine/delivery_driver.hpp"
#include "engine/event_feed.hpp"
#include "engine/housekeeping.hpp"
#include "engine/meters.hpp"
#include "engine/poll_driver.hpp"
#include "engine/secret_view.hpp"
#include "engine/session_desk.hpp"
#include "engine/status_report.hpp"
#include "engine/transaction_waits.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// What the engine asks of the program around it.
struct engine_hooks {
    std::function<void()> reread_token;                  ///< now; `on_token_changed` follows if it differs
    std::function<bool(std::string_view)> set_log_level; ///< false = no such level
};

/// The doors and values it lives with; all must outlive it.
struct engine_doors {
    const clock_source& clock;
    alarm& wake_up;
    store& remembered;
    notifier& sender;
    event_log& log;
    meters& counts;
};

/// Everything happens on the loop. Order of life: construct, `attach`, `start`, …, `stop`. Handlers of doors hold
/// `this`: it is destroyed only when the store and the clients have stopped, or when the loop runs no more.
class engine final : public backend, private poll_driver_listener, private delivery_metrics {
  public:
    engine(configuration config, engine_doors doors, engine_hooks hooks, std::string version, std::uint64_t seed);

    poll_source& polls() { return poll_driver_; }
    void attach(proof_client& proof);

    /// Loads what is remembered, spreads the polls, goes on with the deliveries; then `ready` runs, with an error if
    /// the store failed.
    void start(unique_function<void(op_result<std::monostate>)> ready);
    /// Takes no more polls, lets what is in flight end within `within`, saves the counters, closes the store; then
    /// `stopped` runs once.
    void stop(milliseconds within, unique_function<void()> stopped);
    /// The keys that need no restart hold from now on. The adapters must know theirs already.
    void reconfigure(configuration config);
    /// A reload was refused: shown until one is taken.
    void on_reload_refused(std::string why);
    /// What the status shows, and the log with a changed token.
    void set_secrets(std::vector<secret_view> secrets) { secrets_in_use_ = std::move(secrets); }
    void on_token_changed();
    void on_store_state(store_state state);
    /// The alarm's handler.
    void on_alarm();
    /// One line for people: how many are open, how Proof and the store are.
    std::string summary() const;
    std::size_t watched() const { return poll_driver_.core().size(); }
    const tracker& core() const { return poll_driver_.core(); }
    const delivery_driver& deliverer() const { return delivery_driver_; }

    // backend
    void track(track_request request, client_identity who, backend_handler<tracked> handler) override;
    void import(std::vector<import_line> lines, client_identity who, backend_handler<import_summary> handler) override;
    wait_id get(transaction_id id, milliseconds wait, backend_handler<transaction_view> handler) override;
    void list(list_request request, backend_handler<transaction_list> handler) override;
    void history(transaction_id id, backend_handler<transaction_history> handler) override;
    void untrack(transaction_id id, client_identity who, backend_handler<transaction_view> handler) override;
    void poll_now(transaction_id id, client_identity who, backend_handler<std::monostate> handler) override;
    void hint(transaction_id id, backend_handler<std::monostate> handler) override;
    void create_session(session_request request, client_identity who, backend_handler<proxied_reply> handler) override;
    void kyc_status(std::string partner_user_id, backend_handler<proxied_reply> handler) override;
    wait_id events(event_seq after, std::size_t limit, milliseconds wait, backend_handler<event_list> handler) override;
    event_seq last_seq() const override { return feed_.last_seq(); }
    void set_event_listener(event_listener* listener) override { feed_.set_listener(listener); }
    void cancel_wait(wait_id wait) override;
    void deliveries(delivery_list_request request, backend_handler<delivery_list> handler) override;
    void retry_delivery(delivery_id id, client_identity who, backend_handler<std::monostate> handler) override;
    void retry_dead(std::optional<std::string> callback, client_identity who,
                    backend_handler<std::uint64_t> handler) override;
    void test_callback(std::string name, client_identity who, backend_handler<callback_test_result> handler) override;
    void put_consumer(std::string name, std::optional<event_seq> seq, client_identity who,
                      backend_handler<std::pair<bool, consumer_view>> handler) override;
    void delete_consumer(std::string name, client_identity who, backend_handler<consumer_view> handler) override;
    void acknowledge(std::string name, event_seq seq, backend_handler<consumer_view> handler) override;
    void consumers(backend_handler<std::vector<consumer_view>> handler) override;
    void status_json(backend_handler<std::string> handler) override;
    health_report ready() const override;
    health_report healthy() const override;
    void metrics_text(backend_handler<std::string> handler) override;
    void backup(client_identity who, backend_handler<std::filesystem::path> handler) override;
    void set_log_level(std::string level, client_identity who, backend_handler<std::monostate> handler) override;
    wall_time wall_now() const override { return doors_.clock.now().wall; }

  private:
    struct import_job;

    /// `ok`, `not asked yet`, or what is wrong.
    std::string proof_standing() const;

    void on_recorded(const change_action& change, recorded_transition recorded) override;
    void on_token_wanted() override;
    void on_stepped() override { arm(); }
    void on_delivery(std::string_view callback, std::string_view result) override;
    void on_callback(const callback_view& view) override;

    struct full_status {
        store_status remembered;
        std::vector<consumer_view> consumers;
    };
    // engine_reports.cpp
    void with_status(unique_function<void(op_result<full_status>)> handler);

    // engine.cpp
    void arm();
    bool tells_callbacks() const;
    void warn_of_no_listener();
    void on_loaded(unique_function<void(op_result<std::monostate>)> ready, op_result<std::uint64_t> loaded);
    void save_all(unique_function<void()> saved);

    // engine_transactions.cpp
    outcome<new_transaction> make_transaction(track_request request) const;
    new_transaction make_row(track_request request) const;
    std::optional<problem> check_options(const tracking_options& options) const;
    void track_session(transaction_id id, tracking_options options, std::optional<digest> session,
                       unique_function<void(std::optional<problem>)> handler);
    void on_session_tracked_before(transaction_id id, tracking_options options, const add_outcome& known,
                                   unique_function<void(std::optional<problem>)> handler);
    void begin_tracking(const transaction_id& id, const add_outcome& added);
    transaction_view with_live(transaction_view view) const;
    void find_view(transaction_id id, backend_handler<transaction_view> handler);
    void import_chunk(std::shared_ptr<import_job> job);
    void answer_waits(const transaction_id& id);
    void end_tracking(transaction_id id, int tries, backend_handler<transaction_view> handler);
    void refuse_ended(transaction_id id, int tries, backend_handler<transaction_view> handler);
    void want_poll(transaction_id id, bool is_hint, int tries, backend_handler<std::monostate> handler);
    void ask_stored(transaction_id id, bool is_hint, int tries, backend_handler<std::monostate> handler);

    /// A change that a client asked for, as the log names it: what, to what, and who.
    struct audit_entry {
        std::string_view action;
        std::string_view key; ///< "" = without one
        std::variant<std::string, std::uint64_t> value;
        client_identity who;
    };
    void audit(const audit_entry& entry, std::string_view result);
    /// Logs the change with what came of it, then hands the outcome on: nothing is logged before it is known.
    template <class T>
    backend_handler<T> audited(audit_entry entry, backend_handler<T> handler) {
        return [this, entry = std::move(entry), handler = std::move(handler)](outcome<T> done) mutable {
            const auto* refused = std::get_if<problem>(&done);
            audit(entry, refused == nullptr ? "done" : word_of(refused->code));
            handler(std::move(done));
        };
    }

    configuration config_;
    engine_doors doors_;
    engine_hooks hooks_;
    std::string version_;
    std::vector<secret_view> secrets_in_use_;
    random_source random_;
    steady_time started_at_{};
    config_standing config_standing_;
    poll_driver poll_driver_;
    delivery_driver delivery_driver_;
    event_feed feed_;
    transaction_waits waits_;
    session_desk sessions_;
    housekeeping housekeeping_;
    proof_client* proof_ = nullptr;
    wait_id last_wait_ = 0;
    store_state store_state_ = store_state::ok;
    enum class life : std::uint8_t { loading, running, stopping } life_ = life::loading;
    bool is_arming_ = false;
    std::optional<steady_time> armed_for_;
};

/// The core's options as the configuration has them.
tracker_options make_tracker_options(const configuration& config);

} // namespace prooftrack
