#pragma once

// Whether this daemon may write, and when it is its turn.
//
// Each commit of each node first changes the one row of the table `prooftrackd`, and so waits for the commit that is
// under way: the nodes take turns. Its number there is the commit's in the whole database. Then it changes the node's
// row in `writers`, if that still names this start (`boot`) and the number of its last commit. A node that was taken
// for gone finds no such row and commits nothing (it is fenced). The number also tells, after a connection was lost in
// the middle of a COMMIT, what became of it. Whether the database was set back is told by both, and by pg_marks.hpp.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "store/database.hpp"
#include "store/postgres/pg_link.hpp"
#include "store/postgres/pg_marks.hpp"
#include "store/postgres/pg_target.hpp"

namespace prooftrack::store {

struct pg_ownership {
    std::string node;
    std::string boot;       ///< this start: 16 hex digits
    std::int64_t batch = 0; ///< the last commit of this start
    known_commit commit;    ///< the last one of the whole database that is known here
    std::string log_id;
    int process = 0;           ///< the server's, of the session that writes
    std::int64_t timeline = 0; ///< PostgreSQL's; 0 = it does not say
};

/// This store may not write any more: it is over. `what()` says why, for people.
class ownership_lost : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What everybody's session needs: deadlines on the server's side, and plans for many small statements.
/// `idle` is how long a transaction may wait for us.
void configure_session(pg_link& link, milliseconds idle);

/// So long may a transaction that has the turn wait for this daemon: the others wait as well.
inline constexpr milliseconds longest_turn{4'000};

/// What the server must be: PostgreSQL 14 has the get_bit of deliveries' shards, and what else is asked of it.
inline constexpr int oldest_version = 140000;

/// Nodes that start at once make the schema one after the other, and a copy that was killed has it until PostgreSQL has
/// seen that its socket is closed.
inline constexpr milliseconds lock_patience{5'000};

/// The lock under which the schema is made and changed; it goes with the session, or with `unlock`.
bool try_lock(pg_link& link, milliseconds patience);
void unlock(pg_link& link);
/// Who has it, for people.
std::string describe_owner(pg_link& link);

/// The number of the last commit of this start, as `writers` has it; nullopt when it is fenced.
std::optional<std::int64_t> last_batch(database& db, const std::string& node, const std::string& boot);

/// Begins a transaction that has the turn and is this start's: every write comes behind this. Gives the commit that it
/// will be. The error of a node that is fenced comes later, with failure_reach::store.
known_commit begin_owned(database& db, const pg_ownership& own);

/// On which timeline the server writes: another one began when a standby took over, or a restored server had come to
/// its point in time. 0 = the server does not say. No transaction is open.
std::int64_t read_timeline(pg_link& link);

/// A connection in place of a lost one, and what is known of the last commit.
struct regained_link {
    std::unique_ptr<pg_link> link;
    std::int64_t batch = 0;
    std::int64_t timeline = 0;
    bool is_fenced = false; ///< the others took this start for gone
};
/// `is_undecided`: the commit behind `own.batch` may be there. Throws postgres_error (try again), or ownership_lost:
/// the database was set back to an earlier state, whose log gets a new `log_id` then.
regained_link regain(
    const pg_target& target, const secret& password, const pg_ownership& own, bool is_undecided,
    const std::string& new_log_id, const std::atomic<bool>& ended);

} // namespace prooftrack::store
