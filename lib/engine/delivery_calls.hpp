#pragma once

// Use cases: listing deliveries, sending them again, testing callbacks.

#include <optional>
#include <string>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// Checks that the delivery or callback exists; the driver does the work.
class delivery_calls final : public api::delivery_backend {
  public:
    delivery_calls(store::store& storage, delivery_driver& driver, change_audit& audit)
        : store_(storage), driver_(driver), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void deliveries(track::delivery_query query, api::backend_handler<track::delivery_page> handler) override;
    void retry_delivery(
        delivery_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override;
    void retry_dead(
        std::optional<std::string> callback, api::client_identity who,
        api::backend_handler<std::uint64_t> handler) override;
    void test_callback(
        std::string name, api::client_identity who, api::backend_handler<api::callback_test_result> handler) override;

  private:
    task<api::outcome<track::delivery_page>> list(track::delivery_query query);
    task<api::outcome<std::monostate>> retry(delivery_id id);
    task<api::outcome<std::uint64_t>> retry_all_dead(std::optional<std::string> callback);
    task<api::outcome<api::callback_test_result>> test(std::string name);

    store::store& store_;
    delivery_driver& driver_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
