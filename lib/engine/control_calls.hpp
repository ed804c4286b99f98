#pragma once

// Use cases: pausing, resuming and flushing a callback, dismissing dead deliveries.

#include <optional>
#include <string>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// 404 unless there is a callback of the name: it is configured, or (it was once) something is owed to it or it is
/// paused. The driver must outlive the task.
task<std::optional<api::problem>> refuse_unknown_callback(
    store::store& storage, const delivery_driver& driver, std::string name);

/// 409, with what to do.
api::problem callback_paused(const std::string& name);

class control_calls final : public api::control_backend {
  public:
    control_calls(const clock_source& clock, store::store& storage, delivery_driver& driver, change_audit& audit)
        : clock_(clock), store_(storage), driver_(driver), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void pause_callback(std::string name, api::client_identity who, api::backend_handler<std::string> handler) override;
    void resume_callback(
        std::string name, api::client_identity who, api::backend_handler<std::string> handler) override;
    void flush_callback(
        std::string name, api::client_identity who, api::backend_handler<std::uint64_t> handler) override;
    void dismiss_delivery(
        delivery_id id, std::string note, api::client_identity who,
        api::backend_handler<track::delivery_view> handler) override;
    void dismiss_dead(
        std::optional<std::string> callback, std::string note, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override;

  private:
    task<api::outcome<std::string>> pause(std::string name);
    task<api::outcome<std::string>> resume(std::string name);
    task<api::outcome<std::string>> show(std::string name);
    task<api::outcome<std::uint64_t>> flush(std::string name);
    task<api::outcome<track::delivery_view>> dismiss(delivery_id id, std::string note);
    task<api::outcome<std::uint64_t>> dismiss_all_dead(std::optional<std::string> callback, std::string note);

    const clock_source& clock_;
    store::store& store_;
    delivery_driver& driver_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
