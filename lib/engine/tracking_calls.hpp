#pragma once

// Use cases: tracking transactions: single ones, imports, and those of new sessions.

#include <optional>
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

namespace prooftrack {

struct tracking_surroundings {
    store& storage;
    event_log& log;
    poll_driver& polls;
    transaction_views& views;
    change_backend& changes;
    const transaction_intake& intake;
    change_audit& audit;
};

class tracking_calls final : public tracking_backend {
  public:
    explicit tracking_calls(tracking_surroundings around) : around_(around) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void track(track_request request, client_identity who, backend_handler<tracked> handler) override;
    void import(std::vector<import_line> lines, client_identity who, backend_handler<import_summary> handler) override;

    /// The id of a session that Proof has just made, with options that were checked before the session was requested.
    /// `session` is the claimed key, if there was one. `already_tracked` when the id is tracked with other options:
    /// then nothing was changed, and the key remembers its outcome.
    task<std::optional<problem>> track_session(
        transaction_id id, tracking_options options, std::optional<digest> session);

  private:
    struct chunk;
    task<outcome<tracked>> add(track_request request, client_identity who);
    task<std::optional<problem>> compare_session(transaction_id id, tracking_options options, add_outcome known);
    task<outcome<import_summary>> add_lines(std::vector<import_line> lines, client_identity who);
    problem stop_import(problem why, const import_summary& so_far, client_identity who) const;
    std::optional<problem> fill(chunk& next, std::vector<import_line>& lines, import_summary& summary) const;
    void count(const chunk& added, const std::vector<add_outcome>& outcomes, import_summary& summary);
    void begin(const transaction_id& id, const add_outcome& added);

    tracking_surroundings around_;
    lifetime alive_;
};

} // namespace prooftrack
