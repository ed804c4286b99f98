#pragma once

// Whether a transaction may be tracked now, and the row that it becomes.

#include <optional>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "config/config.hpp"
#include "engine/daemon_state.hpp"
#include "engine/delivery/callback_table.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// What it decides by. All of it must outlive it, and may change meanwhile.
struct intake_rules {
    const clock_source& clock;
    const config::configuration& config;
    const callback_table& callbacks;
    const daemon_state& state;
};

class transaction_intake {
  public:
    explicit transaction_intake(intake_rules rules) : rules_(rules) {}

    /// A problem if these options could not be tracked now.
    std::optional<api::problem> check(const api::tracking_options& options) const;
    /// Requires options that were checked, now or before.
    track::new_transaction make_row(api::track_request request) const;
    /// Both.
    api::outcome<track::new_transaction> take(api::track_request request) const;

  private:
    intake_rules rules_;
};

} // namespace prooftrack::engine
