#pragma once

// The statements that stored_rows reads. `rest` comes behind the table's name. Subqueries that give one value are not
// made into a hash table of everything.

#include "store/statement.hpp"

namespace prooftrack::store {

/// For read_stored_row; then 10 id.
template <sql_text rest>
inline constexpr sql_literal select_stored_rows = joined_sql<
    R"sql(
        SELECT row, state, kind, watched, settled_at, ended_at, last_event_at, revision, traceparent, tracked_at, id
        FROM transactions)sql",
    rest>::literal;

/// For read_whole_row; then 14 id.
template <sql_text rest>
inline constexpr sql_literal select_whole_rows = joined_sql<
    R"sql(
        SELECT row, state, kind, watched, settled_at, ended_at, last_event_at, revision, traceparent, tracked_at,
            metadata, callback_url, callback_lane, (SELECT body FROM proofs WHERE transaction_row = row), id
        FROM transactions)sql",
    rest>::literal;

/// For read_stored_delivery; then 8 id. Adding 0 keeps partial indexes out of it, which begin with the lane.
template <sql_text rest>
inline constexpr sql_literal select_stored_deliveries = joined_sql<
    R"sql(
        SELECT lane, transaction_row, state, attempts, next_attempt_at, url IS NOT NULL, replay,
            coalesce(
                (
                    SELECT 1
                    FROM deliveries o
                    WHERE o.transaction_row = d.transaction_row
                      AND o.state + 0 = 0
                      AND o.id <> d.id
                    LIMIT 1
                ),
                0
            ),
            id
        FROM deliveries d)sql",
    rest>::literal;

} // namespace prooftrack::store
