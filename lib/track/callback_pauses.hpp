#pragma once

// Which callbacks are paused, and when people are told of it again. Pure.

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace prooftrack::track {

/// How often a pause is told of: a callback that somebody forgot to resume must not stay unnoticed.
inline constexpr std::chrono::hours pause_reminder_interval{1};

/// Memory of what the store has: pauses are durable, and last until somebody ends them.
class callback_pauses {
  public:
    /// False when it is paused already: then its beginning stays.
    bool begin(const std::string& callback, wall_time since, steady_time now);
    /// Since when it was paused; nullopt when it was not.
    std::optional<wall_time> end(std::string_view callback);

    bool contains(std::string_view callback) const { return paused_.contains(callback); }
    /// By name, each with its beginning.
    std::map<std::string, wall_time> all() const;
    /// Those whose interval is over; it begins anew for them.
    std::vector<std::string> take_reminders(steady_time now);

  private:
    struct pause {
        wall_time since{};
        steady_time next_reminder{};
    };
    std::map<std::string, pause, std::less<>> paused_;
};

} // namespace prooftrack::track
