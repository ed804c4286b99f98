#pragma once

// New deliveries with their bytes, kept for their first attempts: each of them saves a read of the store.

#include <cstddef>
#include <map>
#include <optional>

#include "store/store.hpp"

namespace prooftrack::engine {

/// Most bytes of new events that are kept; what is beyond is loaded from the store.
inline constexpr std::size_t most_fresh_bytes = 8U << 20U;

/// Holds deliveries that were never attempted, so the store has nothing newer of them.
class fresh_deliveries {
  public:
    /// Leaves it out when it does not fit.
    void keep(store::delivery_record record);
    std::optional<store::delivery_record> take(delivery_id id);
    void clear();

    std::size_t bytes() const { return bytes_; }

  private:
    std::map<delivery_id, store::delivery_record> held_;
    std::size_t bytes_ = 0;
};

} // namespace prooftrack::engine
