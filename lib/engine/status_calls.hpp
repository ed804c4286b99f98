#pragma once

// Use cases: the state of the daemon, for people, probes and Prometheus.

#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/cluster_duties.hpp"
#include "engine/daemon_state.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/housekeeping.hpp"
#include "engine/meters.hpp"
#include "engine/secret_view.hpp"
#include "engine/status_report.hpp"
#include "store/store.hpp"
#include "track/tracker.hpp"

namespace prooftrack::engine {

/// What is shown; all of it must outlive the calls.
struct status_sources {
    const clock_source& clock;
    store::store& storage;
    meters& counts;
    const track::tracker& core;
    delivery_driver& deliveries;
    housekeeping& upkeep;
    const daemon_state& state;
    const config_standing& config;
    const cluster_duties* cluster = nullptr; ///< nullptr or alone: nothing of it is shown
};

class status_calls final : public api::status_backend {
  public:
    /// The time of life counts from here on.
    status_calls(status_sources shown, std::string version)
        : shown_(shown), version_(std::move(version)), started_at_(shown.clock.now().steady) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void status_json(api::backend_handler<std::string> handler) override { start(format(), std::move(handler)); }
    api::health_report ready() const override;
    api::health_report healthy() const override;
    void metrics_text(api::backend_handler<std::string> handler) override { start(serialize(), std::move(handler)); }

    /// One line for people: how many are open, how Proof and the store are.
    std::string summary() const;
    void set_secrets(std::vector<secret_view> secrets) { secrets_ = std::move(secrets); }
    const std::vector<secret_view>& secrets() const { return secrets_; }
    void set_protocol(std::string_view protocol) { protocol_ = protocol; }
    void set_process(process_facts process) { process_ = std::move(process); }

  private:
    const store::cluster_view* cluster() const;
    task<api::outcome<std::string>> format();
    task<api::outcome<std::string>> serialize();
    /// `ok`, `not asked yet`, or what is wrong.
    std::string proof_standing() const;

    status_sources shown_;
    std::string version_;
    steady_time started_at_;
    std::vector<secret_view> secrets_;
    std::string protocol_; ///< "" = there was no connection to Proof yet
    process_facts process_;
    lifetime alive_;
};

} // namespace prooftrack::engine
