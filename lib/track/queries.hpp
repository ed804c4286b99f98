#pragma once

// Queries of what is stored, and their results: the same values in the API and in the store.

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

struct transaction_query {
    std::optional<tracking_state> state;
    std::optional<std::string> status;
    std::optional<wall_time> settled_after;  ///< later than this, not at it
    std::optional<wall_time> settled_before; ///< likewise
    std::size_t limit = 100;
    std::string cursor; ///< "" = from the newest; else a `next_cursor` that this list gave out before
};
/// A page may hold fewer than `limit` while more follow: the bodies of one are about 8 MiB at most, and the work for it
/// is bounded.
struct transaction_page {
    std::vector<transaction_view> transactions; ///< the newest first, by their first `add`
    std::string next_cursor;                    ///< "" = no more; else the next page, which may be empty
};

struct delivery_query {
    std::optional<delivery_state> state;
    std::optional<std::string> callback;
    std::optional<std::string> transaction;
    std::size_t limit = 100;
    std::string cursor;
};
struct delivery_page {
    std::vector<delivery_view> deliveries; ///< the newest first
    std::string next_cursor;               ///< as in a `transaction_page`
};

/// The latest 1,000 of both, the oldest of them first.
struct transaction_history {
    std::vector<history_entry> changes;
    std::vector<delivery_view> deliveries;
};

} // namespace prooftrack::track
