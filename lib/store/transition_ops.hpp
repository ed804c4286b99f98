#pragma once

// Records one change: state, history, event and deliveries in one transaction.

#include "store/database.hpp"

namespace prooftrack::store {

/// store_error::not_found, and nothing changed, when the transaction is gone or durably untracked: a reply that was in
/// flight while a user ended the tracking changes nothing any more.
op_result<recorded_transition> record_transition(database& db, const transition& change);

} // namespace prooftrack::store
