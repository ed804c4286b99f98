#pragma once

// Use cases: ending the tracking of a transaction, and polling it at once.

#include <cstdint>
#include <optional>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/poll_driver.hpp"
#include "engine/transaction_views.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// What another node holds is changed in the store, bound to the row's revision; the node hears of it.
/// A call that finds a change of its row not yet committed waits for the commit and reads the row again, a few times.
class change_calls final : public api::change_backend {
  public:
    change_calls(store::store& storage, poll_driver& polls, transaction_views& views, change_audit& audit)
        : store_(storage), polls_(polls), views_(views), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void untrack(
        transaction_id id, api::client_identity who, api::backend_handler<track::transaction_view> handler) override;
    void poll_now(transaction_id id, api::client_identity who, api::backend_handler<std::monostate> handler) override;
    void hint(transaction_id id, api::backend_handler<std::monostate> handler) override;

  private:
    enum class reason : std::uint8_t { wish, hint }; ///< a hint is not for one that is completed
    task<api::outcome<track::transaction_view>> end_tracking(transaction_id id);
    /// One that memory does not hold as an open one, and the store does. nullopt: look again.
    task<std::optional<api::outcome<track::transaction_view>>> end_stored(track::transaction_view stored);
    task<api::outcome<std::monostate>> poll(transaction_id id, reason why);
    /// One that memory no longer holds is polled once. nullopt: it has just been tracked, look again (unless
    /// `is_last`).
    task<std::optional<api::outcome<std::monostate>>> poll_stored(transaction_id id, reason why, bool is_last);
    /// Its owner is asked to poll it. nullopt: it is watched no more.
    task<std::optional<api::outcome<std::monostate>>> poll_elsewhere(transaction_id id);

    store::store& store_;
    poll_driver& polls_;
    transaction_views& views_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
