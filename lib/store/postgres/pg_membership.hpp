#pragma once

// SQL of who is there and who owns which shard. Every function is one or two transactions on a link of the caller's,
// and throws postgres_error; after one that does not reach the link no transaction is open.
//
// Whoever changes `shards` or another node's row names the start that it is, and that start must still be in `nodes`.
// Only the owner frees a shard, or whoever found its lease to have run out: two nodes never take one from each other.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "store/cluster.hpp"
#include "store/postgres/pg_link.hpp"

namespace prooftrack::store {

struct pg_node {
    std::string id;
    std::string boot; ///< this start
    std::string version;
    std::string former = {}; ///< boot of this very process before it was fenced; "" = it was none
};

/// Where sessions listen: to commits, and to changes of `nodes` and `shards`. The payload is the boot of who says it.
inline constexpr std::string_view news_channel = "prooftrackd_news";
inline constexpr std::string_view members_channel = "prooftrackd_members";

/// What pg_stat_activity shows of the sessions of a start of a daemon.
std::string session_name(const std::string& boot);

/// Begins a transaction whose commits are ordered among those of all nodes: whoever has the turn is alone with what it
/// writes. Gives the number of this commit. Waits for a commit under way. The first one of a session comes behind a
/// commit that leaves its mark (pg_marks.hpp).
std::int64_t begin_turn(pg_link& link);

/// Makes this start the one that the node's name stands for: rows in `nodes` and `writers` (whose `batch` is the number
/// of this commit). Its lease begins now; shards of an earlier start stay its name's, and are claimed anew. A row of an
/// earlier start is taken over when its lease has run out, or its process (same machine) is dead; one that may still
/// live is waited for up to `patience`. Text = refused, and why: a living daemon has the name.
std::optional<std::string> join_cluster(pg_link& link, const pg_node& self, milliseconds patience);

/// A heartbeat. False: the others have taken this start for gone.
bool renew_lease(pg_link& link, const pg_node& self);

/// What `nodes`, `shards` and `moves` say now.
struct pg_members {
    cluster_view view;             ///< `owned`: the rows with this node's name; `wanted` and `sharing` are left open
    std::vector<bool> has_expired; ///< for each of `view.nodes`: its lease has run out
    std::int64_t batch = 0;        ///< the cluster's last commit
};
pg_members read_members(pg_link& link, const std::string& node);

/// Ends sessions of nodes whose lease has run out, unless they are at work. A process that is paused may have the turn,
/// and everybody would wait for it.
void end_sessions_of_expired(pg_link& link, const pg_node& self);

struct shard_claim {
    shard_set shards; ///< wanted, and free or of somebody who is gone
    shard_set mine;   ///< that this start has already; others with its name are an earlier start's
    milliseconds joined_ago{0};
    bool buries = false; ///< nodes whose lease has run out are gone from now on, also for `writers`
};
struct gained_shards {
    shard_set shards;
    shard_gain how = shard_gain::unowned;
    milliseconds silent{0}; ///< their former owner, the longest
};
/// Takes those that are free or whose owner is gone, one entry for each way. nullopt: this start is not living.
std::optional<std::vector<gained_shards>> claim_shards(pg_link& link, const pg_node& self, const shard_claim& claim);

/// They are nobody's from now on, those that have this node's name.
void free_shards(pg_link& link, const pg_node& self, const shard_set& shards);
/// State `leaving`.
void begin_leaving(pg_link& link, const pg_node& self);
/// State `gone`, and all of its shards are free.
void end_membership(pg_link& link, const pg_node& self);

void notify(pg_link& link, std::string_view channel, const std::string& boot);

} // namespace prooftrack::store
