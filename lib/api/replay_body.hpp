#pragma once

// The body of POST /v1/replays. Pure.

#include <string_view>

#include "api/backend.hpp"
#include "api/problem.hpp"

namespace prooftrack::api {

/// Most patterns in `types`.
inline constexpr std::size_t most_replay_types = 32;

/// Refuses an unknown member, a range that nothing can lie in, and a pattern of `types` that selects no event.
parsed<replay_request> read_replay(std::string_view body);

} // namespace prooftrack::api
