#pragma once

// How fast a replay is made into deliveries. Pure.

#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/time.hpp"
#include "track/queries.hpp"

namespace prooftrack::track {

/// Most deliveries of one replay that are pending: half of what a lane keeps in memory, so that as many recorded ones
/// have room beside them, and enough for about a quarter of a second of a fast callback.
inline constexpr std::size_t most_pending_of_replay = 512;
/// Most that one step makes: it takes the store about 4 ms, which is what a new event may wait for it.
inline constexpr std::size_t most_made_in_step = 200;

/// With fewer pending the next step is made: each one is worth its commit.
inline constexpr std::size_t few_pending_of_replay = 384;

/// Between two steps while there is more to make: the store has time for everything else.
inline constexpr milliseconds between_steps{10};
/// Before the next look while enough is pending, or while the last ones are: as long as the callback takes some …
inline constexpr milliseconds shortest_look{50};
/// … and with each look that finds nothing taken twice as long, up to this.
inline constexpr milliseconds longest_look{2'000};
/// After the store refused a step.
inline constexpr milliseconds after_refusal{5'000};

/// The pace of one replay.
class replay_pace {
  public:
    /// How long to wait after a step that left it so. Requires that it is running.
    milliseconds after(const replay_view& left);

  private:
    std::optional<std::uint64_t> last_pending_;
    milliseconds look_ = shortest_look;
};

} // namespace prooftrack::track
