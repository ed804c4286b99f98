#pragma once

// What the other daemons that share the database have committed.

#include "store/cluster.hpp"
#include "store/database.hpp"

namespace prooftrack::store {

/// Most rows and most mail in one answer.
inline constexpr std::size_t most_news = 2'000;

op_result<cluster_news> read_cluster_news(database& db, const news_cursor& after);

/// not_found when there is none that is watched.
op_result<std::monostate> note_wanted_poll(database& db, const transaction_id& id);

} // namespace prooftrack::store
