#include "base/csv.hpp"

#include <algorithm>

namespace prooftrack {
namespace {

/// Takes the digits at the front away; false without one.
bool skip_digits(std::string_view& text) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    text.remove_prefix(digits);
    return digits > 0;
}

/// Behind its sign: 1, 1.10, 2e-5.
bool is_number(std::string_view text) {
    if (!skip_digits(text)) return false;
    if (text.starts_with('.')) {
        text.remove_prefix(1);
        if (!skip_digits(text)) return false;
    }
    if (text.starts_with('e') || text.starts_with('E')) {
        text.remove_prefix(1);
        if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
        if (!skip_digits(text)) return false;
    }
    return text.empty();
}

bool is_formula(std::string_view text) {
    if (text.empty()) return false;
    if (text.front() == '-') return !is_number(text.substr(1));
    return std::string_view("=+@\t\r").find(text.front()) != std::string_view::npos;
}

} // namespace

void append_csv_cell(std::string& out, std::string_view text) {
    const bool is_quoted = text.find_first_of(",\"\r\n") != std::string_view::npos;
    if (is_quoted) out += '"';
    if (is_formula(text)) out += '\'';
    for (const char c : text) {
        if (c == '"') out += '"';
        out += c;
    }
    if (is_quoted) out += '"';
}

} // namespace prooftrack
