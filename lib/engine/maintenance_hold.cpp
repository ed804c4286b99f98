#include "engine/maintenance_hold.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace prooftrack::engine {

void maintenance_hold::follow(const std::optional<track::maintenance_mark>& mark, const std::string& note) {
    const auto before = std::exchange(mark_, mark);
    if (mark == before) return;
    const wall_time now = clock_.now().wall;
    const track::maintenance_mark& told = mark ? *mark : *before;
    std::vector<observe::log_field> fields{{"state", mark ? "on" : "off"}, {"since", format_wall_time(told.since)}};
    if (!mark)
        fields.emplace_back(
            "lasted_seconds", std::max(seconds(0), std::chrono::floor<seconds>(now - told.since)).count());
    const std::string& words = mark ? mark->note : note;
    if (!words.empty()) fields.emplace_back("note", words);
    log_.write(observe::log_event_id::daemon_maintenance, std::span<const observe::log_field>(fields));
    if (mark.has_value() == before.has_value()) return; // another note
    polls_.step(track::maintenance_event{mark.has_value(), told.since});
    deliveries_.set_held(mark.has_value());
}

} // namespace prooftrack::engine
