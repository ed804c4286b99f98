#pragma once

// Which keys a filtered list looks at: from the indexes, the newest first. Every match is among them; the caller checks
// each.

#include "store/database.hpp"
#include "store/paging.hpp"

namespace prooftrack::store {

/// Rows of transactions.
key_merge transaction_keys(database& db, const track::transaction_query& wanted);
/// Ids of deliveries; `transaction_row` stands for `wanted.transaction`.
key_merge delivery_keys(database& db, const track::delivery_query& wanted, std::optional<std::int64_t> transaction_row);

/// Seqs of the events of a time that lie behind `after`, in their order: those of the next segment that has one. Empty
/// = there is none.
std::vector<std::int64_t> events_of_time(
    database& db, event_seq after, std::optional<wall_time> since, std::optional<wall_time> until);

} // namespace prooftrack::store
