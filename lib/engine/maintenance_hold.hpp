#pragma once

// An operator's maintenance as it is in force: what is durable is applied to polls and deliveries alike, and logged.

#include <optional>

#include "base/clock.hpp"
#include "engine/delivery/delivery_driver.hpp"
#include "engine/poll_driver.hpp"
#include "observe/log.hpp"
#include "track/types.hpp"

namespace prooftrack::engine {

class maintenance_hold {
  public:
    /// All must outlive it.
    maintenance_hold(
        const clock_source& clock, observe::event_log& log, poll_driver& polls, delivery_driver& deliveries)
        : clock_(clock), log_(log), polls_(polls), deliveries_(deliveries) {}

    /// Follows what the store has; in the order of its commits. Before anything is loaded it holds what will be.
    /// `note` is for the line of an end.
    void follow(const std::optional<track::maintenance_mark>& mark, const std::string& note);

  private:
    const clock_source& clock_;
    observe::event_log& log_;
    poll_driver& polls_;
    delivery_driver& deliveries_;
    std::optional<track::maintenance_mark> mark_;
};

} // namespace prooftrack::engine
