#pragma once

// Pages of transactions and deliveries, newest first, and the history of one transaction.

#include "store/database.hpp"

namespace prooftrack::store {

op_result<track::transaction_page> list_transactions(database& db, const track::transaction_query& wanted);
op_result<track::delivery_page> list_deliveries(database& db, const track::delivery_query& wanted);

/// The newest 1,000 changes and the newest 1,000 deliveries, oldest first. nullopt for an unknown id.
op_result<std::optional<track::transaction_history>> read_history(database& db, const transaction_id& id);

} // namespace prooftrack::store
