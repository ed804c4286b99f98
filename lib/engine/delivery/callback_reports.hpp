#pragma once

// The state of the callbacks, for the status and the metrics.

#include <set>
#include <string>
#include <vector>

#include "engine/delivery/callback_view.hpp"
#include "engine/delivery/delivery_context.hpp"

namespace prooftrack::engine {

class callback_reports {
  public:
    /// The context must outlive it.
    explicit callback_reports(const delivery_context& context) : context_(context) {}

    /// Every configured callback, every unconfigured one with pending deliveries or a pause, and callback_url when it
    /// is allowed or has either.
    std::vector<callback_view> views(const store::store_status& status, wall_time now) const;
    /// Hands the same to the metrics; a callback that vanished once more, with zeros.
    void report(const store::store_status& status, wall_time now);

  private:
    const delivery_context& context_;
    std::set<std::string> reported_; ///< callbacks whose gauges were set
};

} // namespace prooftrack::engine
