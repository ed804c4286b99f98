#pragma once

// One bound on the attempts of many lanes together, and the order in which lanes wait for it. Pure.

#include <cstddef>
#include <deque>
#include <optional>
#include <set>

#include "track/lane_number.hpp"

namespace prooftrack::track {

class shared_limit {
  public:
    explicit shared_limit(std::size_t most) : most_(most) {}

    /// What is taken already stays taken, also beyond a lower bound.
    void set(std::size_t most) { most_ = most; }
    bool has_room() const { return used_ < most_; }
    std::size_t used() const { return used_; }
    /// Requires `has_room()`.
    void take();
    /// Requires that something was taken.
    void give_back();

    /// Behind those that wait already; one that waits keeps its place.
    void wait(lane_number lane);
    bool waits(lane_number lane) const { return waiting_.contains(lane); }
    bool any_waits() const { return !waiting_.empty(); }
    /// The lane that waited longest, which waits no more; nullopt when the limit is reached or none waits.
    std::optional<lane_number> next();

  private:
    std::size_t most_;
    std::size_t used_ = 0;
    std::deque<lane_number> order_;
    std::set<lane_number> waiting_;
};

} // namespace prooftrack::track
