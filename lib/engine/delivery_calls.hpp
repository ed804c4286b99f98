#pragma once

// Use cases: listing deliveries, sending them again, testing callbacks.

#include <optional>
#include <string>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/delivery_driver.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// Checks that the delivery or callback exists; the driver does the work.
class delivery_calls final : public delivery_backend {
  public:
    delivery_calls(store& storage, delivery_driver& driver, change_audit& audit)
        : store_(storage), driver_(driver), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void deliveries(delivery_query query, backend_handler<delivery_page> handler) override;
    void retry_delivery(delivery_id id, client_identity who, backend_handler<std::monostate> handler) override;
    void retry_dead(
        std::optional<std::string> callback, client_identity who, backend_handler<std::uint64_t> handler) override;
    void test_callback(std::string name, client_identity who, backend_handler<callback_test_result> handler) override;

  private:
    task<outcome<delivery_page>> list(delivery_query query);
    task<outcome<std::monostate>> retry(delivery_id id);
    task<outcome<std::uint64_t>> retry_all_dead(std::optional<std::string> callback);
    task<outcome<callback_test_result>> test(std::string name);

    store& store_;
    delivery_driver& driver_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack
