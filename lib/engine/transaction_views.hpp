#pragma once

// A transaction as users see it: the stored row with newer values from memory.

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/poll_driver.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

class transaction_views {
  public:
    transaction_views(store::store& storage, const poll_driver& polls) : store_(storage), polls_(polls) {}
    lifetime::watch observe() const { return alive_.observe(); }

    /// One that is not stored is a problem.
    task<api::outcome<track::transaction_view>> find(transaction_id id);
    track::transaction_view with_live(track::transaction_view view) const;

  private:
    store::store& store_;
    const poll_driver& polls_;
    lifetime alive_;
};

} // namespace prooftrack::engine
