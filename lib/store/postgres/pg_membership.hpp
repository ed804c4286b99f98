#pragma once

// SQL of who is there and who owns which shard. Every function is one or two transactions on a link of the caller's.

#include <optional>
#include <string>

#include "store/cluster.hpp"
#include "store/postgres/pg_link.hpp"

namespace prooftrack::store {

struct pg_node {
    std::string id;
    std::string boot; ///< this start
    std::string version;
};

/// What pg_stat_activity shows of the sessions of a start of a daemon.
std::string session_name(const std::string& boot);

/// Begins a transaction whose commits are ordered among those of all nodes: whoever has the turn is alone with what it
/// writes. Gives the number of this commit. Waits for a commit under way.
std::int64_t begin_turn(pg_link& link);

/// Makes this start the one that the node's name stands for: rows in `nodes` and `writers`. Its lease begins now. A row
/// of an earlier start is taken over when its lease has run out, or its process (same machine) is dead; one that may
/// still live is waited for up to `patience`. Text = refused, and why: a living daemon has the name.
std::optional<std::string> join_cluster(pg_link& link, const pg_node& self, milliseconds patience);

} // namespace prooftrack::store
