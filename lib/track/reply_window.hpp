#pragma once

// Detects a burst of 400s or 404s: more than 10 transactions and half of the last 100 replies are a fault of Proof.

#include <cstddef>
#include <cstdint>

#include <boost/circular_buffer.hpp>

#include "base/time.hpp"

namespace prooftrack::track {

/// The last 100 replies of the last minute.
class reply_window {
  public:
    static constexpr std::size_t length = 100;
    static constexpr std::size_t most_transactions = 10;
    static constexpr std::chrono::seconds memory{60};

    void add(std::uint32_t slot, bool is_id_error, steady_time now);
    bool is_burst(steady_time now) const;

  private:
    struct reply {
        steady_time at{};
        std::uint32_t slot = 0;
        bool is_id_error = false;
    };
    boost::circular_buffer<reply> replies_{length};
};

} // namespace prooftrack::track
