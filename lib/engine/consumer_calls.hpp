#pragma once

// Use cases: named consumers of the event log.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// The store has the positions; none are kept here.
class consumer_calls final : public api::consumer_backend {
  public:
    consumer_calls(const clock_source& clock, store::store& storage, change_audit& audit)
        : clock_(clock), store_(storage), audit_(audit) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void put_consumer(
        std::string name, std::optional<event_seq> seq, api::client_identity who,
        api::backend_handler<std::pair<bool, track::consumer_view>> handler) override;
    void delete_consumer(
        std::string name, api::client_identity who, api::backend_handler<track::consumer_view> handler) override;
    void acknowledge(std::string name, event_seq seq, api::backend_handler<track::consumer_view> handler) override;
    void consumers(api::backend_handler<std::vector<track::consumer_view>> handler) override;
    wall_time wall_now() const override { return clock_.now().wall; }

  private:
    task<api::outcome<std::pair<bool, track::consumer_view>>> put(std::string name, std::optional<event_seq> seq);
    task<api::outcome<track::consumer_view>> remove(std::string name);
    task<api::outcome<track::consumer_view>> move_on(std::string name, event_seq seq);
    task<api::outcome<std::vector<track::consumer_view>>> list();

    const clock_source& clock_;
    store::store& store_;
    change_audit& audit_;
    lifetime alive_;
};

} // namespace prooftrack::engine
