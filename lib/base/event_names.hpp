#pragma once

// The names of the events, and the rule by which a callback's `events` select them.

#include <array>
#include <string_view>

namespace prooftrack {

/// Every event that a callback can select.
inline constexpr std::array<std::string_view, 9> selectable_events{
    "transaction.completed", "transaction.failed",    "transaction.cancelled",
    "transaction.overdue",   "transaction.not_found", "transaction.rejected",
    "transaction.abandoned", "transaction.reversed",  "transaction.updated"};

/// Whether `pattern` selects one of them: `*` stands for any run of characters, everything else for itself;
/// `transaction.updated` needs its full name. An event that cannot be selected is selected by nothing.
bool pattern_selects(std::string_view pattern, std::string_view event);

} // namespace prooftrack
