#pragma once

// Use cases: replays of the event log.

#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/replay_runner.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class replay_calls final : public api::replay_backend {
  public:
    /// All of it must outlive the calls.
    struct parts {
        const clock_source& clock;
        store::store& storage;
        delivery_driver& driver;
        replay_runner& runner;
        change_audit& audit;
    };
    explicit replay_calls(parts with) : with_(with) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void begin_replay(
        api::replay_request request, api::client_identity who,
        api::backend_handler<track::replay_view> handler) override;
    void replays(api::backend_handler<std::vector<track::replay_view>> handler) override;
    void cancel_replay(
        replay_id id, api::client_identity who, api::backend_handler<track::replay_view> handler) override;

  private:
    task<api::outcome<track::replay_view>> begin(api::replay_request request);
    task<api::outcome<std::vector<track::replay_view>>> list();
    task<api::outcome<track::replay_view>> cancel(replay_id id);

    parts with_;
    lifetime alive_;
};

} // namespace prooftrack::engine
