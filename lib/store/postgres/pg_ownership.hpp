#pragma once

// Which daemon writes. Two things say so, and neither is enough alone.
//
// An advisory lock of the writer's session keeps a second daemon from starting. It goes with the session, of which the
// daemon may not hear for a while: so the row of the table `prooftrackd` names the start (`boot`) of the daemon that
// writes. Each commit changes that row, if it still names this start and has the number of its last commit, before
// anything else. A daemon that takes over writes its own name there, which waits for a commit under way; the former
// one's next commit changes no row then, and fails.
//
// The number also tells, after a connection was lost in the middle of a COMMIT, what became of it.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "store/database.hpp"
#include "store/postgres/pg_link.hpp"
#include "store/postgres/pg_target.hpp"

namespace prooftrack::store {

struct pg_ownership {
    std::string boot;       ///< this start: 16 hex digits
    std::int64_t batch = 0; ///< the last commit
};

/// This store may not write any more: it is over. `what()` says why, for people.
class ownership_lost : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// What everybody's session needs: deadlines on the server's side, and plans for many small statements.
/// `idle` is how long a transaction may wait for us.
void configure_session(pg_link& link, milliseconds idle);

/// What pg_stat_activity shows of the session that writes.
std::string writer_name(const std::string& boot);

/// Takes the lock of this database's schema, waiting for a session that is about to end.
bool try_lock(pg_link& link, milliseconds patience);
/// Who has it, for people.
std::string describe_owner(pg_link& link);
/// From now on commits of any other start fail. Waits for one under way.
pg_ownership take_over(pg_link& link, std::string boot);
/// Begins a transaction and makes it this start's: every write comes behind this. Posted: an error comes later,
/// failure_reach::store when another daemon has taken over.
void begin_owned(database& db, const pg_ownership& own);

/// A connection in place of a lost one, owned again, and the last commit that is there.
struct regained_link {
    std::unique_ptr<pg_link> link;
    std::int64_t batch = 0;
};
/// `is_undecided`: the commit behind `own.batch` may be there. Throws postgres_error (try again), or ownership_lost:
/// another daemon writes, or the database was set back to an earlier state, whose log gets a new `log_id` then.
regained_link regain(
    const pg_target& target, const secret& password, const pg_ownership& own, bool is_undecided,
    const std::string& new_log_id, const std::atomic<bool>& ended);

} // namespace prooftrack::store
