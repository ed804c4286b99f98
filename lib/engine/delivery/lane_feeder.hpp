#pragma once

// Drives the lanes: loads and attempts the deliveries that may go, reads the missing heads, and sets the next wake.

#include <cstddef>
#include <vector>

#include "engine/delivery/delivery_attempts.hpp"
#include "engine/delivery/delivery_context.hpp"
#include "engine/delivery/failing_callbacks.hpp"
#include "engine/delivery/lane_keeper.hpp"

namespace prooftrack::engine {

class lane_feeder {
  public:
    /// What it works with; all must outlive it.
    struct parts {
        delivery_attempts& attempts;
        failing_callbacks& failing;
        lane_keeper& keeper;
        delivery_host& host;
    };
    lane_feeder(delivery_context& context, parts with) : context_(context), with_(with) {}

    /// Starts what may start on a lane, and removes an idle one. To be called whenever something changed about it.
    void feed(delivery_slot& slot, instant now);
    void feed_all(instant now);
    /// Feeds the lanes that waited for the shared limit of callback_url attempts, as far as it allows.
    void feed_waiting(instant now);

    void arm(delivery_slot& slot, instant now);
    void arm_all(instant now);
    /// Reads that were refused may be tried again.
    void allow_refills();

  private:
    bool take_one(delivery_slot& slot, instant now);
    void ask_refill(delivery_slot& slot);
    void on_heads(
        track::lane_number lane, std::size_t asked, const op_result<std::vector<store::delivery_head>>& heads);
    void take_heads(
        delivery_slot& slot, std::size_t asked, const std::vector<store::delivery_head>& heads, instant now);

    delivery_context& context_;
    parts with_;
};

} // namespace prooftrack::engine
