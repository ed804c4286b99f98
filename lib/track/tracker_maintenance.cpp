// An operator's maintenance: nothing is polled, and its silence is held against nobody.

#include <algorithm>

#include "track/tracker.hpp"

namespace prooftrack::track {

void tracker::on(maintenance_event event, instant now, std::vector<tracker_action>& /*actions*/) {
    if (event.is_on == is_held_) return;
    is_held_ = event.is_on;
    watch_fitness(now.wall);
    if (is_held_) {
        unfit_since_ = std::min(*unfit_since_, event.since);
        return;
    }
    behind_since_.reset();
    // The few that failed while nobody else was asked stand for nobody.
    if (!health_.is_unwell() && outage_.is_open()) end_backoffs(now);
    deadlines_from_ = now.steady + 2 * options_.rules.interval.second;
    respread(now, false);
}

} // namespace prooftrack::track
