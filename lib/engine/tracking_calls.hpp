#pragma once

// Use cases: tracking transactions: single ones, imports, and those of new sessions.

#include <optional>
#include <string_view>
#include <vector>

#include "api/backend.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/change_audit.hpp"
#include "engine/poll_driver.hpp"
#include "engine/transaction_intake.hpp"
#include "engine/transaction_views.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

struct tracking_surroundings {
    store::store& storage;
    observe::event_log& log;
    poll_driver& polls;
    transaction_views& views;
    api::change_backend& changes;
    const transaction_intake& intake;
    change_audit& audit;
};

class tracking_calls final : public api::tracking_backend {
  public:
    explicit tracking_calls(tracking_surroundings around) : around_(around) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void track(
        api::track_request request, api::client_identity who, api::backend_handler<api::tracked> handler) override;
    void import(
        std::vector<api::import_line> lines, api::client_identity who,
        api::backend_handler<api::import_summary> handler) override;

    /// The id of a session that Proof has just made, with options that were checked before the session was requested.
    /// `session` is the claimed key, if there was one. `already_tracked` when the id is tracked with other options:
    /// then nothing was changed, and the key remembers its outcome.
    task<std::optional<api::problem>> track_session(
        transaction_id id, api::tracking_options options, std::optional<store::digest> session);

  private:
    struct chunk;
    task<api::outcome<api::tracked>> add(api::track_request request, api::client_identity who);
    task<std::optional<api::problem>> compare_session(
        transaction_id id, api::tracking_options options, store::add_outcome known);
    task<api::outcome<api::import_summary>> add_lines(std::vector<api::import_line> lines, api::client_identity who);
    api::problem stop_import(api::problem why, const api::import_summary& so_far, api::client_identity who) const;
    std::optional<api::problem> fill(
        chunk& next, std::vector<api::import_line>& lines, api::import_summary& summary) const;
    void count(const chunk& added, const std::vector<store::add_outcome>& outcomes, api::import_summary& summary);
    void begin(const transaction_id& id, std::string_view traceparent, const store::add_outcome& added);

    tracking_surroundings around_;
    lifetime alive_;
};

} // namespace prooftrack::engine
