#pragma once

// Which lanes are in memory: those of configured callbacks always, those of callback_urls while they have pending
// deliveries.

#include <string>

#include "engine/delivery/delivery_context.hpp"
#include "engine/delivery/failing_callbacks.hpp"

namespace prooftrack::engine {

class lane_keeper {
  public:
    /// All must outlive it.
    lane_keeper(delivery_context& context, failing_callbacks& failing, delivery_host& host)
        : context_(context), failing_(failing), host_(host) {}

    /// nullptr when there are `most_url_lanes` with deliveries:
    /// the deliveries of this one wait in the store until a lane retires. Requires that there is none of that name.
    delivery_slot* open(const std::string& lane, track::stored_heads stored);
    /// The lane of a new head, opened if need be; nullptr as above.
    delivery_slot* find_or_open(const std::string& lane);
    void retire_if_idle(delivery_slot& slot);

  private:
    /// It is a callback_url's, has no pending delivery, and nothing is under way for it.
    bool is_unused(const delivery_slot& slot) const;
    void erase_one_idle();
    void erase(const delivery_slot& slot);

    delivery_context& context_;
    failing_callbacks& failing_;
    delivery_host& host_;
    bool some_left_out_ = false; ///< the store has deliveries of lanes that found the table full
};

} // namespace prooftrack::engine
