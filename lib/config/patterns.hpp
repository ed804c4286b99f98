#pragma once

// The `events` patterns of a callback, as far as the configuration must understand them. The rule itself is `selects`
// in track/event.hpp, which this room may not include; a test holds the two against each other.

#include <span>
#include <string_view>

namespace prooftrack {

/// Every event that a callback can select.
std::span<const std::string_view> selectable_events();

/// Whether `pattern` selects `event`: `*` is any run of characters, and `transaction.updated` needs its full name.
bool pattern_selects(std::string_view pattern, std::string_view event);

} // namespace prooftrack
