#pragma once

// Begins trackings and reads them.

#include <span>

#include "store/database.hpp"

namespace prooftrack::store {

/// One outcome each, in order: a later element of the span sees what an earlier one did.
op_result<std::vector<add_outcome>> add_transactions(
    database& db, std::span<const track::new_transaction> transactions, const std::optional<digest>& session);

/// Writes options over those that the row has. store_error::not_found or stale as of a transition.
op_result<row_revision> set_transaction_options(database& db, const options_change& change);

/// Writes facts without history. Rows that are gone or durably untracked are left alone.
op_result<std::monostate> save_transaction_facts(database& db, std::span<const track::active_transaction> rows);

op_result<std::optional<track::transaction_view>> find_transaction(database& db, const transaction_id& id);

/// Reads a view from columns id, the facts (see read_facts), metadata, callback_url, proof.
track::transaction_view read_view(const query& row);

} // namespace prooftrack::store
