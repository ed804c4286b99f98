#pragma once

// The cluster in GET /v1/status. Pure.

#include <string>

#include "store/cluster.hpp"

namespace prooftrack::engine {

/// Shards that nobody owns.
std::size_t count_unowned(const store::cluster_view& view);

/// A JSON object.
std::string format_cluster(const store::cluster_view& view);

} // namespace prooftrack::engine
