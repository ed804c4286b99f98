#pragma once

// "Did you mean …?": the valid word that looks most like a wrong one.

#include <span>
#include <string_view>

namespace prooftrack::config {

struct nearest_word {
    std::string_view word; ///< "" when there are no candidates
    bool is_close = false; ///< so near that it was probably meant
};

/// Edit distance with swapped neighbours counted once; case, `-` and `_` make no difference. The first of equally near
/// ones wins.
nearest_word find_nearest(std::string_view wrong, std::span<const std::string_view> candidates);

} // namespace prooftrack::config
