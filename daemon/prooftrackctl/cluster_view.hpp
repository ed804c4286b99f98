#pragma once

// The "cluster" of GET /v1/status as people see it: who is there, who has how many shards, who took them when. Pure.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/json_view.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// Rows of moves shown to people; --json has all that the daemon tells.
inline constexpr std::size_t shown_moves = 15;

/// Null or missing where the daemon's database is its own.
bool is_clustered(const json_view& cluster);

/// The lines of `prooftrackctl cluster`, each ending in LF.
std::string format_cluster(const json_view& cluster, const look& where, wall_time now);

/// `node a of 3, 86 shards`, a line without LF. Of a cluster.
std::string cluster_line(const json_view& cluster, const look& where);

/// The check `cluster` of `doctor`: nothing without one.
void diagnose_cluster(const json_view& cluster, std::vector<finding>& findings);

} // namespace prooftrack::ctl
