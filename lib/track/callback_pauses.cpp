#include "track/callback_pauses.hpp"

namespace prooftrack::track {

bool callback_pauses::begin(const std::string& callback, wall_time since, steady_time now) {
    return paused_.emplace(callback, pause{since, now + pause_reminder_interval}).second;
}

std::optional<wall_time> callback_pauses::end(std::string_view callback) {
    const auto found = paused_.find(callback);
    if (found == paused_.end()) return std::nullopt;
    const wall_time since = found->second.since;
    paused_.erase(found);
    return since;
}

std::map<std::string, wall_time> callback_pauses::all() const {
    std::map<std::string, wall_time> named;
    for (const auto& [callback, one] : paused_) named.emplace(callback, one.since);
    return named;
}

std::vector<std::string> callback_pauses::take_reminders(steady_time now) {
    std::vector<std::string> due;
    for (auto& [callback, one] : paused_) {
        if (now < one.next_reminder) continue;
        one.next_reminder = now + pause_reminder_interval;
        due.push_back(callback);
    }
    return due;
}

} // namespace prooftrack::track
