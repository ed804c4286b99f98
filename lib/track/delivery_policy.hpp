#pragma once

// What follows from one attempt of a delivery. Pure: the time and the random source are arguments.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// A Retry-After is honoured up to this long.
inline constexpr milliseconds longest_retry_after = std::chrono::hours(24);

/// The most that jitter adds to a wait of the schedule: a twentieth (5 %). It never takes anything away.
inline constexpr std::int64_t retry_jitter_part = 20;

enum class attempt_result : std::uint8_t {
    delivered, ///< 2xx, or exit 0
    failed,    ///< to be tried again by the schedule
    gone,      ///< 410: dead at once
};

/// How one attempt went.
struct attempt_ending {
    attempt_result what = attempt_result::failed;
    std::optional<milliseconds> retry_after; ///< from a 429 or 503
};

/// The Retry-After that counts: it is used with 429 and 503 alone.
std::optional<milliseconds> honoured_retry_after(int status, std::optional<milliseconds> asked);

/// The state of a delivery after an attempt.
struct attempt_decision {
    delivery_state state = delivery_state::pending;
    std::optional<wall_time> next_attempt_at; ///< with `pending`
    bool operator==(const attempt_decision&) const = default;
};

/// `attempts` counts this one too. The wait before attempt n + 1 is `schedule[n - 1]`, with jitter, or longer where
/// Retry-After demands it; after 1 + schedule.size() attempts the delivery is dead.
attempt_decision after_attempt(
    const attempt_ending& ending, std::uint32_t attempts, std::span<const milliseconds> schedule, wall_time now,
    random_source& random);

/// The longest wait that the schedule alone gives after `attempts` attempts, jitter included; 0 before the first one.
milliseconds longest_scheduled_wait(std::uint32_t attempts, std::span<const milliseconds> schedule);

/// Whether a callback's recovery (at `now`) ends this wait: the last attempt was made while the callback failed, and
/// the schedule alone explains the wait (a Retry-After is honoured). Such an attempt says nothing about its delivery:
/// it is due now, and the attempt does not count, so that a callback that comes and goes uses up no schedule.
bool ends_with_recovery(
    const waiting_delivery& wait, wall_time failing_since, std::span<const milliseconds> schedule, wall_time now);

/// One recovery: the waits that it ends. A value, because the store applies it while the lane goes on.
struct recovery_rule {
    wall_time failing_since{};
    wall_time now{}; ///< of the recovery
    std::vector<milliseconds> schedule;

    bool ends(const waiting_delivery& wait) const { return ends_with_recovery(wait, failing_since, schedule, now); }
};

/// When to look at a delivery whose recorded time is `next_attempt_at`: then, but never further away than the schedule
/// explains. A clock that stepped back would otherwise hold it for ever; a Retry-After that really is longer is found
/// by `may_attempt`.
wall_time look_at(
    wall_time next_attempt_at, std::uint32_t attempts, std::span<const milliseconds> schedule, wall_time now);

/// Whether a pending delivery's recorded time makes sense beside the present clock: it was not last attempted in the
/// future, and waits no longer than is ever given. Requires a `next_attempt_at`.
bool is_explained(const delivery_view& delivery, std::span<const milliseconds> schedule, wall_time now);

/// Whether a delivery that is looked at may be attempted now: its time has come, or its time makes no sense beside the
/// present clock (its last attempt lies in the future, or the wait is longer than any that is ever given).
bool may_attempt(const delivery_view& delivery, std::span<const milliseconds> schedule, wall_time now);

} // namespace prooftrack::track
