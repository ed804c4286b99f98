#pragma once

// What an operator's note may be. Pure.

#include <cstddef>
#include <string_view>

namespace prooftrack {

inline constexpr std::size_t longest_note = 500; ///< bytes of UTF-8

/// Short enough, and without control characters: it is shown in one line. Requires UTF-8.
constexpr bool is_allowed_note(std::string_view text) {
    if (text.size() > longest_note) return false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte < 0x20 || byte == 0x7f) return false;
        const bool is_c1 = byte == 0xc2 && at + 1 < text.size() && static_cast<unsigned char>(text[at + 1]) < 0xa0;
        if (is_c1) return false;
    }
    return true;
}

} // namespace prooftrack
