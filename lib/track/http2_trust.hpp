#pragma once

// Whether HTTP/2 is offered to a server: a gateway may speak it badly and HTTP/1.1 well. Pure.

#include <cstdint>

#include "base/time.hpp"

namespace prooftrack::track {

/// After `most_failures` in a row without a reply of use, HTTP/2 is not offered for `pause`.
class http2_trust {
  public:
    static constexpr std::uint32_t most_failures = 20;
    static constexpr std::chrono::minutes pause{10};

    /// What became of a request, or of all of a connection, over HTTP/2.
    void note(bool good, steady_time now);
    /// The server said that it wants HTTP/1.1: for good.
    void forbid() { forbidden_until_ = steady_time::max(); }

    bool is_forbidden(steady_time now) const { return now < forbidden_until_; }
    /// A good one was noted at that time or later.
    bool has_worked_since(steady_time when) const { return worked_at_ >= when; }

  private:
    std::uint32_t failures_ = 0; ///< in a row
    steady_time forbidden_until_{};
    steady_time worked_at_ = steady_time::min();
};

} // namespace prooftrack::track
