#pragma once

// What the other daemons that share the database have committed.

#include <cstdint>
#include <set>

#include "store/cluster.hpp"
#include "store/database.hpp"

namespace prooftrack::store {

/// Most rows and most mail in one answer.
inline constexpr std::size_t most_news = 2'000;

/// What comes behind the cursor was removed before it was read: whoever reads must load everything again.
bool has_missed_mail(database& db, const news_cursor& after);

op_result<cluster_news> read_cluster_news(database& db, const news_cursor& after);

/// Rows of which a poll was wanted that was not made, as far as the stored facts tell. Who takes a shard up makes it:
/// its former owner may not have read of it any more, or have been lost. Only for PostgreSQL.
std::set<std::int64_t> read_open_wishes(database& db);

/// not_found when there is none that is watched.
op_result<std::monostate> note_wanted_poll(database& db, const transaction_id& id);

} // namespace prooftrack::store
