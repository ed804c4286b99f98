#pragma once

// Where a reconciliation gets what is known here: the paged lists of the API.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "prooftrackctl/command_context.hpp"
#include "prooftrackctl/json_view.hpp"
#include "track/reconcile_source.hpp"

namespace prooftrack::ctl {

/// Lists by cursor, an id at a time for what has to be looked at closely. Memory: one page. Everything may throw what
/// `ask` throws.
class api_reconcile_source final : public track::reconcile_source {
  public:
    /// `context` must outlive it.
    explicit api_reconcile_source(command_context& context) : context_(context) {}

    void each_transaction(const std::function<void(const track::known_transaction&)>& visit) override;
    void each_owed(const std::function<void(std::string_view id)>& visit) override;
    std::optional<track::known_transaction> find(const std::string& id) override;
    std::vector<std::string> former_statuses(const std::string& id) override;

  private:
    command_context& context_;
};

/// The API's JSON of a transaction as it is compared. Throws command_failure when it has no id, or a state that this
/// program does not know (a newer daemon's). Pure.
track::known_transaction known_transaction_of(const json_view& transaction);

/// The words of a `history` that `former_statuses` gives. Pure.
std::vector<std::string> former_statuses_of(const json_view& history);

} // namespace prooftrack::ctl
