#pragma once

// The files with a callback's secrets, as they are written. Pure: whoever reads them bounds and wipes the bytes.

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace prooftrack::callback {

/// Most bytes of a file of webhook secrets.
inline constexpr std::size_t max_secret_file_bytes = 16'384;
/// Most lines of it: one for each key that is being rotated.
inline constexpr std::size_t max_secret_lines = 16;
/// Most bytes of one of them.
inline constexpr std::size_t max_secret_line_bytes = 512;

/// One line of a file of webhook secrets.
struct webhook_secret {
    secret text; ///< `whsec_…` as written
    secret key;  ///< decoded
};

/// One secret a line, the newest first; white space around a secret is skipped, a blank line is refused (to a receiver
/// it may be an empty key). Errors are callback_error's; the operation is `name` or `NAME: line 2`, and nothing has the
/// line's text.
op_result<std::vector<webhook_secret>> parse_secret_file(std::string_view text, std::string_view name);

} // namespace prooftrack::callback
