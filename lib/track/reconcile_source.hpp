#pragma once

// What is known here, as a reconciliation reads it: over the API, from a copy of the database, or made up in a test.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "track/reconciliation.hpp"

namespace prooftrack::track {

/// A transaction, as far as it is compared and shown.
struct known_transaction {
    std::string id;
    tracking_state state = tracking_state::tracking;
    std::optional<std::string> status;
    std::optional<std::string> fiat_amount;   ///< as Proof wrote it
    std::optional<std::string> fiat_currency; ///< likewise
    std::string tracked_at;                   ///< RFC 3339 UTC with milliseconds, as the API writes it
    std::string settled_at;                   ///< the same; "" = not settled

    /// Points into this object.
    known_facts facts(bool owed) const;
};

/// Whether a change in the history took a terminal word of Proof's, `from_status`, back.
bool takes_word_back(
    std::optional<tracking_state> from_state, std::string_view from_status, tracking_state to_state,
    std::string_view to_status);

/// None is called from within another's callback but `former_statuses`. May throw what its implementation says.
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
    /// The words that Proof took back, oldest first.
    virtual std::vector<std::string> former_statuses(const std::string& id) = 0;
};

/// Takes one line of an answer, without its LF.
using line_writer = std::function<void(std::string_view line)>;
/// A whole reconciliation but for what is known here. A value's function: it runs on a thread of the store's.
using reconcile_job = std::function<void(reconcile_source& source, const line_writer& write)>;

} // namespace prooftrack::track
