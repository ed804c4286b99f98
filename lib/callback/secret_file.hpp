#pragma once

// The files with a callback's secrets, as they are written. Pure: whoever reads them bounds and wipes the bytes.

#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/secret_header.hpp"

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

/// Most bytes of a file of headers.
inline constexpr std::size_t max_header_file_bytes = 16'384;
/// Most headers in it.
inline constexpr std::size_t max_headers = 32;
/// Most bytes of one line.
inline constexpr std::size_t max_header_line_bytes = 4'096;

/// Lines `Name: value`, ended by LF or CRLF; white space around a value is dropped, blank lines are skipped, a file
/// without a header is good. Refused are names that are no HTTP tokens or begin with #, the names that the daemon
/// writes itself, a name twice, and a value that is empty or not printable ASCII. Errors as for secrets.
op_result<std::vector<secret_header>> parse_header_file(std::string_view text, std::string_view name);

} // namespace prooftrack::callback
