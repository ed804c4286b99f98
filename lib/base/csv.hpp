#pragma once

// Writing CSV by RFC 4180, safe to be opened in a spreadsheet. Pure.

#include <string>
#include <string_view>

namespace prooftrack {

inline constexpr std::string_view csv_line_end = "\r\n";

/// One cell, in quotes where it needs them. One that a spreadsheet would take for a formula (it begins with `=`, `+`,
/// `@`, tab or CR, or with `-` and is no number) gets a `'` before it.
void append_csv_cell(std::string& out, std::string_view text);

} // namespace prooftrack
