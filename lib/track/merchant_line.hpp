#pragma once

// A line of the merchant's own list of payments.

#include <cstdint>
#include <string_view>
#include <vector>

#include "track/reconciliation.hpp"

namespace prooftrack::track {

/// One line that could be read; valid while it is handed over.
struct merchant_line {
    std::uint64_t line = 0; ///< where it begins in the list, counted from 1; a CSV's header is line 1
    std::string_view id;    ///< a valid merchant_transaction_id
    merchant_belief belief;
};

/// One that could not; valid while it is handed over.
struct unreadable_line {
    std::uint64_t line = 0;
    std::string_view why;
    std::vector<std::string_view> ids; ///< what it may be about, as far as that can be read; valid ids
    bool hides_ids = false;            ///< there may be others in it: none can be read, or lines are lost with it
};

/// The columns or members that are read; others are passed over.
inline constexpr std::string_view id_column = "merchant_transaction_id";
inline constexpr std::string_view status_column = "status";
inline constexpr std::string_view amount_column = "fiat_amount";
inline constexpr std::string_view currency_column = "fiat_currency";
inline constexpr std::string_view credited_column = "credited";

} // namespace prooftrack::track
