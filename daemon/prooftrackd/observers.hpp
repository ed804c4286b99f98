#pragma once

// What the adapters report, joined to metrics and log.

#include <functional>

#include "api/server.hpp"
#include "callback/notifier.hpp"
#include "engine/meters.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack::daemon {

/// Implements the four observer interfaces. Every call comes on the loop.
class adapter_observers final : public proof::proof_client_observer,
                                public store::store_observer,
                                public callback::notifier_observer,
                                public api::api_observer {
  public:
    adapter_observers(observe::event_log& log, engine::meters& counts) : log_(log), counts_(counts) {}

    std::function<void(track::store_state)> store_state_changed;
    std::function<void(std::string_view protocol)> proof_connected; ///< the first connection, or of another protocol
    std::function<void(const std::string& why)> store_failed;       ///< the daemon has to exit with 74

    void on_handshake(bool resumed) override;
    void on_connected(std::string_view protocol) override;
    void on_connections(std::string_view protocol, std::size_t idle, std::size_t busy) override;
    void on_commit(steady_duration took, std::size_t operations) override;
    void on_state(track::store_state state, const op_error& why) override;
    void on_failover(std::int64_t former, std::int64_t timeline) override;
    void on_fatal(const op_error& error) override;
    void on_export_failed(const op_error& error) override;
    void on_address_refused(std::string_view callback, std::string_view host) override;
    void on_request(const api::api_request_fact& fact) override;

  private:
    observe::event_log& log_;
    engine::meters& counts_;
    std::string protocol_; ///< of the newest connection to Proof
};

} // namespace prooftrack::daemon
