#pragma once

// Use cases: reading transactions, and waiting for the end of one. In a cluster another node may end it: its event
// tells, and because an untracking has none, the rows that are waited for are read again each second.

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/transaction_views.hpp"
#include "engine/transaction_waits.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

struct lookup_sources {
    const clock_source& clock;
    store::store& storage;
    transaction_views& views;
    const delivery_driver& deliveries;
    wait_numbers& numbers;
};

class lookup_calls final : public api::lookup_backend {
  public:
    /// `wake_changed` runs when `next_wake` has become earlier.
    lookup_calls(lookup_sources sources, std::function<void()> wake_changed)
        : sources_(sources), wake_changed_(std::move(wake_changed)) {}
    lifetime::watch observe() const { return alive_.observe(); }

    api::wait_id get(
        transaction_id id, milliseconds wait, api::backend_handler<track::transaction_view> handler) override;
    void list(track::transaction_query query, api::backend_handler<track::transaction_page> handler) override;
    void history(transaction_id id, api::backend_handler<track::transaction_history> handler) override;

    void cancel(api::wait_id wait) { waits_.take(wait); }
    /// Answers the requests that wait for its end.
    void on_ended(const transaction_id& id);
    /// Another node has recorded this event (its bytes without seq).
    void on_foreign_event(const std::string& frozen);
    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);

  private:
    void plan_to_look();
    task<> look(api::wait_id number, transaction_id id);
    /// Answers those who wait for it, if its row says that it has ended.
    task<> look_again(transaction_id id);
    task<> look_at_all();
    task<api::outcome<track::transaction_page>> read_page(track::transaction_query query);
    task<api::outcome<track::transaction_history>> read_history(transaction_id id);

    lookup_sources sources_;
    std::function<void()> wake_changed_;
    transaction_waits waits_;
    std::optional<steady_time> look_again_at_; ///< nullopt = nobody waits, or it is being done, or there is no cluster
    bool is_looking_ = false;
    lifetime alive_;
};

} // namespace prooftrack::engine
