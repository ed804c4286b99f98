#pragma once

// How a node finds that the database was set back although others have committed more since than was lost.
//
// The number of a commit alone tells nothing then: another one has it. So before its first turn each session leaves a
// mark, a random text in `marks` with the number of the commit that left it. No session lives on when a standby takes
// over or a backup is restored: the first commit behind the point where the two histories part is a new mark, so the
// last mark up to any later number is another one than it was for the commit that is lost. PostgreSQL's own timelines
// would tell less: a folder that is put back, a snapshot of a disk and a dump begin none.

#include <cstdint>
#include <string>

#include "store/postgres/pg_link.hpp"

namespace prooftrack::store {

/// One commit of the cluster.
struct known_commit {
    std::int64_t number = 0;
    std::string mark; ///< the last one up to it
};

/// So many marks are kept: what is older is forgotten, and a commit before them taken for being there.
inline constexpr int most_marks = 10'000;

/// Leaves this session's mark in a transaction of its own, which waits for its turn; none is open before. Nothing is
/// done when it is there. After an error that does not reach the link a transaction may be open.
void leave_mark(pg_link& link);

/// The last one that the session sees.
known_commit last_commit(pg_link& link);

/// Whether `known` is part of the history that ends with `last`, as the session sees it now.
bool has_commit(pg_link& link, const known_commit& known, const known_commit& last);

} // namespace prooftrack::store
