#pragma once

// Pruning, the store's state, and small rows.

#include "store/database.hpp"

namespace prooftrack::store {

/// One small batch, of a length that the database's pace allows. Transactions go when they ended before `ended_before`,
/// no poll is planned and no delivery pending for them; their history and deliveries go with them. Events go from
/// the oldest on while their transaction is gone or they are older than `consumed_before`, and neither a pending
/// delivery nor (until `consumed_before`) a consumer needs them.
op_result<prune_result> prune_database(database& db, const prune_request& request);

op_result<store_status> read_status(database& db);
op_result<std::monostate> write_probe(database& db);
op_result<std::string> exchange_base_url(database& db, const std::string& base_url);
/// An operator's maintenance, see `store::set_maintenance`.
op_result<std::optional<track::maintenance_mark>> set_maintenance_mark(
    database& db, const std::optional<track::maintenance_mark>& mark);

/// Lanes of callback_urls on which nothing is kept any more. Before the totals are loaded.
void forget_idle_lanes(db_connection& db);

} // namespace prooftrack::store
