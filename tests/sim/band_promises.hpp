#pragma once

// Everybody is asked within the band: an id that Proof answers is asked again within `poll.interval`, whatever happens
// to the others, unless something for everybody holds it up.

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "config/config.hpp"
#include "sim/violations.hpp"

namespace prooftrack::sim {

class band_promises {
  public:
    band_promises(const virtual_clock& clock, violations& broken) : clock_(clock), broken_(broken) {}

    std::function<bool(steady_time)> was_disturbed_since; ///< by an outage of Proof's

    void on_configured(const config::configuration& config);
    /// Something that concerns everybody: a start, a jump, an outage, a slow disk, no free connection.
    void on_disturbance(steady_duration span = {}) {
        disturbed_until_ = std::max(disturbed_until_, clock_.now().steady + span);
    }
    /// `is_open`: it is tracked, and no reported event makes its polls less frequent.
    void on_poll(const std::string& id, bool is_open);
    void on_good_answer(const std::string& id) { ++ids_[id].good_in_row; }
    void on_other_answer(const std::string& id) { ids_[id].good_in_row = 0; }
    void forget(const std::string& id) { ids_.erase(id); }
    std::uint64_t checked() const { return checked_; }

  private:
    struct asked_id {
        std::optional<steady_time> last;
        int good_in_row = 0;
    };

    const virtual_clock& clock_;
    violations& broken_;
    milliseconds longest_{10'000};
    bool has_ceiling_ = false;
    steady_time disturbed_until_{};
    std::map<std::string, asked_id> ids_;
    std::uint64_t checked_ = 0;
};

} // namespace prooftrack::sim
