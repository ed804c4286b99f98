#pragma once

// The name of a lane within one run of the daemon.

#include <cstdint>

namespace prooftrack::track {

/// Numbers lanes in the order in which they were made, from 1. Never given twice, so that an answer which comes
/// back for a lane that has gone finds none, and not the next one of that name.
enum class lane_number : std::uint64_t {};
constexpr std::uint64_t value_of(lane_number number) { return static_cast<std::uint64_t>(number); }

} // namespace prooftrack::track
