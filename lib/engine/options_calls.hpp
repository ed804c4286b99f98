#pragma once

// Use case: changing the options of a transaction.

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/poll_driver.hpp"
#include "engine/transaction_intake.hpp"
#include "engine/transaction_views.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

struct options_surroundings {
    store::store& storage;
    poll_driver& polls;
    transaction_views& views;
    const transaction_intake& intake;
    change_audit& audit;
};

/// The new options hold for what is recorded later: events that are there keep their bytes, and their deliveries the
/// callback_url that they were recorded for. A change of the row that comes in between has the row read again.
class options_calls final : public api::options_backend {
  public:
    explicit options_calls(options_surroundings around) : around_(around) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void set_options(
        transaction_id id, api::options_patch patch, api::client_identity who,
        api::backend_handler<track::transaction_view> handler) override;

  private:
    task<api::outcome<track::transaction_view>> change(transaction_id id, api::options_patch patch);

    options_surroundings around_;
    lifetime alive_;
};

} // namespace prooftrack::engine
