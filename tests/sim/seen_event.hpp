#pragma once

// An event as its receivers see it: read from its bytes alone.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sim/episode_model.hpp"

namespace prooftrack::sim {

struct seen_event {
    std::uint64_t seq = 0; ///< 0 = the bytes hold none (a webhook's)
    std::string id;
    std::string transaction;
    reported_event reported;
    std::string frozen; ///< the bytes without seq
};

/// nullopt when the bytes are no event of ours.
std::optional<seen_event> read_event(std::string_view json);

} // namespace prooftrack::sim
