#pragma once

// A string as JSON writes it.

#include <string>
#include <string_view>

namespace prooftrack {

/// Appends `text` as a JSON string with its quotes; bytes that are not UTF-8 are replaced.
void append_json_string(std::string& out, std::string_view text);

} // namespace prooftrack
