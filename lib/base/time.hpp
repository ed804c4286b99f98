#pragma once

// Time as the program sees it: a steady reading for waits, a wall reading for deadlines, events and signatures.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace prooftrack {

using milliseconds = std::chrono::milliseconds;
using seconds = std::chrono::seconds;

/// Monotonic time; never steps. Every wait is counted in it.
using steady_time = std::chrono::steady_clock::time_point;
using steady_duration = std::chrono::steady_clock::duration;

/// UTC wall time in milliseconds; may step. Every deadline that must survive a restart is kept in it.
using wall_time = std::chrono::sys_time<milliseconds>;

/// One reading of both clocks, taken together.
struct instant {
    steady_time steady{};
    wall_time wall{};
};

/// RFC 3339 UTC with milliseconds: `2026-04-01T10:03:45.120Z`.
std::string format_wall_time(wall_time when);

/// Reads RFC 3339 with any offset and any number of fraction digits (cut to milliseconds); nullopt when it is not that.
std::optional<wall_time> parse_wall_time(std::string_view text);

/// Reads `250ms`, `5s`, `10m`, `24h`, `7d` (a whole number and a unit, up to 3650 days); nullopt for anything else.
std::optional<milliseconds> parse_duration(std::string_view text);

/// The shortest spelling that `parse_duration` reads back: `90s`, `24h` gives `1d`.
std::string format_duration(milliseconds duration);

} // namespace prooftrack
