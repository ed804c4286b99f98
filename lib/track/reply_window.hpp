#pragma once

// Sees a burst of 400s or 404s: over 10 transactions and half of the last 100 replies are Proof's trouble, not theirs.

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.hpp"

namespace prooftrack {

/// The last 100 replies of the last minute.
class reply_window {
  public:
    static constexpr std::size_t length = 100;
    static constexpr std::size_t most_transactions = 10;
    static constexpr std::chrono::seconds memory{60};

    void add(std::uint32_t slot, bool is_refusal, steady_time now);
    bool is_burst(steady_time now) const;

  private:
    struct reply {
        steady_time at{};
        std::uint32_t slot = 0;
        bool is_refusal = false;
    };
    std::array<reply, length> replies_{};
    std::size_t count_ = 0;
    std::size_t next_ = 0;
};

} // namespace prooftrack
