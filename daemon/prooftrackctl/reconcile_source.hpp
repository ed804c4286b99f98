#pragma once

// Where a reconciliation gets what is known here: behind an interface, so that another way of reading it can take the
// place of the paged list.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "prooftrackctl/command_context.hpp"
#include "track/reconciliation.hpp"

namespace prooftrack::ctl {

/// A transaction, as far as it is compared and shown.
struct known_transaction {
    std::string id;
    track::tracking_state state = track::tracking_state::tracking;
    std::optional<std::string> status;
    std::optional<std::string> fiat_amount;   ///< as Proof wrote it
    std::optional<std::string> fiat_currency; ///< likewise
    std::string tracked_at;                   ///< RFC 3339 UTC with milliseconds, as the API writes it
    std::string settled_at;                   ///< the same; "" = not settled

    /// Points into this object.
    track::known_facts facts(bool owed) const;
};

/// Everything may throw what `ask` throws. None is called from within another's callback but `former_statuses`.
class reconcile_source {
  public:
    reconcile_source() = default;
    virtual ~reconcile_source() = default;
    reconcile_source(const reconcile_source&) = delete;
    reconcile_source& operator=(const reconcile_source&) = delete;

    /// Every transaction that was there all the time; one that is tracked anew meanwhile may be left out.
    virtual void each_transaction(const std::function<void(const known_transaction&)>& visit) = 0;
    /// The id of every delivery that is pending or dead; an id may come more than once.
    virtual void each_owed(const std::function<void(std::string_view id)>& visit) = 0;
    /// As it is now; nullopt when it is not known here.
    virtual std::optional<known_transaction> find(const std::string& id) = 0;
    /// The terminal words that Proof took back, oldest first.
    virtual std::vector<std::string> former_statuses(const std::string& id) = 0;
};

/// Over the API of today: lists by cursor, an id at a time for what has to be looked at closely. Memory: one page.
class api_reconcile_source : public reconcile_source {
  public:
    /// `context` must outlive it.
    explicit api_reconcile_source(command_context& context) : context_(context) {}

    void each_transaction(const std::function<void(const known_transaction&)>& visit) override;
    void each_owed(const std::function<void(std::string_view id)>& visit) override;
    std::optional<known_transaction> find(const std::string& id) override;
    std::vector<std::string> former_statuses(const std::string& id) override;

  private:
    command_context& context_;
};

/// The API's JSON of a transaction as it is compared. Throws command_failure when it has no id, or a state that this
/// program does not know (a newer daemon's). Pure.
known_transaction known_transaction_of(const json_view& transaction);

/// The words of a `history` that `former_statuses` gives. Pure.
std::vector<std::string> former_statuses_of(const json_view& history);

} // namespace prooftrack::ctl
