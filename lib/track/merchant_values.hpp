#pragma once

// The values of a line of the merchant's list, checked. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "track/merchant_line.hpp"

namespace prooftrack::track {

/// Text without the spaces and tabs around it.
std::string_view trim_blanks(std::string_view text);

/// Each takes a value as it was written ("" = says nothing) and gives what is wrong with it, "" = nothing.
std::string read_id(std::string_view text, merchant_line& into);
std::string read_status(std::string_view text, merchant_line& into);
std::string read_amount(std::string_view text, merchant_line& into);
std::string read_currency(std::string_view text, merchant_line& into);
/// `true`, `yes`, `1`, `false`, `no` or `0`, in any case of letters.
std::string read_credited(std::string_view text, merchant_line& into);

} // namespace prooftrack::track
