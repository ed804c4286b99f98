#pragma once

// Polls that lost their connection and wait to be sent again.

#include <cstddef>
#include <deque>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "proof/poll_channel.hpp"
#include "track/poll_repeats.hpp"

namespace prooftrack::proof {

/// First those whose connections ended most often; suspects behind all others. Whose deadline passes while it waits is
/// taken by `take_expired`.
class repeat_queue {
  public:
    void add(poll_in_flight request);

    /// One that may share a connection with `others`. `is_new`: see track::is_new_connection.
    std::optional<poll_in_flight> take(const track::repeats_together& others, bool is_new);
    std::vector<poll_in_flight> take_expired(steady_time now);
    std::vector<poll_in_flight> take_all() { return take_expired(steady_time::max()); }

    bool empty() const { return size() == 0; }
    std::size_t size() const { return repeats_.size() + suspects_.size(); }
    /// The first one waits for a connection that is new.
    bool needs_new_connection() const;
    steady_time next_deadline() const; ///< steady_time::max() when it is empty

  private:
    std::deque<poll_in_flight> repeats_;
    std::deque<poll_in_flight> suspects_; ///< their connections broke twice
};

} // namespace prooftrack::proof
