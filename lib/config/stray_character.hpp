#pragma once

// Private to this module: characters that toml++ 3.3 must not get.

#include <cstdint>
#include <optional>
#include <string_view>

namespace prooftrack::config {

struct text_position {
    std::uint32_t line = 1;   ///< counts from 1
    std::uint32_t column = 1; ///< counts from 1, in characters
};

/// The first byte over 127 that stands neither in a string nor in a comment, where TOML 1.0 knows only ASCII.
/// toml++ 3.3 asks its tables about such a character, and for some of them (U+01FF) runs into what it declared
/// unreachable.
std::optional<text_position> find_stray_character(std::string_view toml);

} // namespace prooftrack::config
