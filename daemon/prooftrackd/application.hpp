#pragma once

// The composition root: owns every part by value in the order of construction, and wires them.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "api/server.hpp"
#include "callback/notifier.hpp"
#include "config/config.hpp"
#include "engine/engine.hpp"
#include "engine/meters.hpp"
#include "net/steady_alarm.hpp"
#include "observe/event_log.hpp"
#include "observe/metrics.hpp"
#include "observe/service_notify.hpp"
#include "proof/proof_client.hpp"
#include "prooftrackd/machine.hpp"
#include "prooftrackd/observers.hpp"
#include "prooftrackd/preparation.hpp"
#include "prooftrackd/reloader.hpp"
#include "prooftrackd/secret_reread.hpp"
#include "store/store.hpp"

namespace prooftrack::daemon {

/// What a start has prepared before anything runs.
struct application_inputs {
    std::filesystem::path config_file;
    prepared_runtime runtime;
    int passed_socket = -1;
};

/// From here on a SIGHUP waits until an application runs: it must neither end the start nor be lost.
void hold_reloads();

/// The running daemon. Construction opens the database and throws store_start_error; `run` returns the exit status.
/// After `run` the process ends by _exit: a resolver that hangs in getaddrinfo must not hold the end up.
class application final : private running_parts {
  public:
    application(
        application_inputs inputs, const machine& from, observe::service_log& log, observe::service_notify& notify);
    int run();

  private:
    void on_ready(const op_result<std::monostate>& loaded);
    void await_signal();
    void on_signal(int number);
    const prepared_runtime& runtime() const override { return now_; }
    void take_over(prepared_runtime next) noexcept override;
    void keep(const std::string& why) noexcept override;
    void reread_token();
    void reread_changed_secrets();
    void tell_of_base_url(const std::string& before);
    void begin_stop(std::string reason);
    void finish(int status);
    void schedule_tick();
    void schedule_ping();
    void tick();
    void look_at_base_url(unique_function<void()> then);

    std::filesystem::path config_file_;
    prepared_runtime now_; ///< in force
    int passed_socket_;
    observe::service_log& log_;
    observe::service_notify& notify_;
    boost::asio::io_context loop_{1};
    net::system_clock_source clock_;
    observe::metrics registry_;
    engine::meters counts_;
    adapter_observers observers_;
    reloader reloader_;
    secret_reread secrets_;
    std::unique_ptr<store::store> store_;
    std::unique_ptr<callback::notifier> notifier_;
    net::steady_alarm alarm_;
    engine::engine engine_;
    std::unique_ptr<proof::proof_client> proof_;
    std::unique_ptr<api::api_server> api_;
    std::unique_ptr<api::api_server> metrics_listener_; ///< nullptr = off
    boost::asio::signal_set signals_;
    boost::asio::steady_timer ticks_;
    boost::asio::steady_timer pings_;
    boost::asio::steady_timer stop_guard_;
    steady_time started_at_;
    std::string status_line_;
    std::string stop_reason_;
    enum class life : std::uint8_t { starting, running, stopping } life_ = life::starting;
    bool is_reload_owed_ = false; ///< a SIGHUP came during the start
    int exit_status_ = 0;
};

} // namespace prooftrack::daemon
