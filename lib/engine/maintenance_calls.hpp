#pragma once

// Use case: an operator turns maintenance on or off.

#include <optional>
#include <string>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/daemon_state.hpp"
#include "engine/maintenance_hold.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class maintenance_calls final : public api::maintenance_backend {
  public:
    /// All must outlive it.
    maintenance_calls(
        const clock_source& clock, store::store& storage, const daemon_state& state, maintenance_hold& hold,
        change_audit& audit)
        : clock_(clock), store_(storage), state_(state), hold_(hold), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void set_maintenance(
        bool is_on, std::string note, api::client_identity who,
        api::backend_handler<std::optional<track::maintenance_mark>> handler) override;

  private:
    task<api::outcome<std::optional<track::maintenance_mark>>> set(bool is_on, std::string note);

    const clock_source& clock_;
    store::store& store_;
    const daemon_state& state_;
    maintenance_hold& hold_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
