#pragma once

// Which lanes are in memory: those of configured callbacks always, those of callback_urls while they have pending
// deliveries.

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>

#include "engine/delivery/delivery_context.hpp"
#include "engine/delivery/failing_callbacks.hpp"

namespace prooftrack::engine {

/// Most lanes that are remembered as empty here.
inline constexpr std::size_t most_empty_lanes = 65'536;

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
    /// The store may have deliveries of lanes that are not in memory; until it has said which, lanes are opened so.
    void expect_more(bool is_expected) { more_expected_ = is_expected; }

    /// The store has deliveries of lanes whose shards other nodes hold. Such a lane was read and has retired: read over
    /// and over, with thousands of its kind, it would leave no room for those that have something here.
    bool is_known_empty(std::string_view lane) const { return empty_.contains(lane); }
    void forget_empty() { empty_.clear(); }

  private:
    /// It is a callback_url's, has no pending delivery, and nothing is under way for it.
    bool is_unused(const delivery_slot& slot) const;
    void erase_one_idle();
    void erase(const delivery_slot& slot);

    delivery_context& context_;
    failing_callbacks& failing_;
    delivery_host& host_;
    bool some_left_out_ = false; ///< the store has deliveries of lanes that found the table full
    bool more_expected_ = false;
    std::set<std::string, std::less<>> empty_;
};

} // namespace prooftrack::engine
