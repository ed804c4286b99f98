#pragma once

// The queries of the lists: parameters -> filters. Pure.

#include "api/target.hpp"
#include "track/queries.hpp"

namespace prooftrack::api {

/// GET /v1/transactions.
parsed<track::transaction_query> read_transaction_query(const query_values& query);
/// GET /v1/deliveries.
parsed<track::delivery_query> read_delivery_query(const query_values& query);
/// GET /v1/events with `since` or `until`.
parsed<track::event_query> read_event_query(const query_values& query);

} // namespace prooftrack::api
