#include "track/merchant_values.hpp"

#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "base/ids.hpp"

namespace prooftrack::track {

namespace {

/// What stands in a message of a value from the list.
std::string quoted(std::string_view text) {
    constexpr std::size_t longest = 40;
    return fmt::format("'{}{}'", text.substr(0, longest), text.size() > longest ? "…" : "");
}

bool is_letter_or_digit(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; }

} // namespace

std::string_view trim_blanks(std::string_view text) {
    constexpr std::string_view blanks = " \t";
    const std::size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::string read_id(std::string_view text, merchant_line& into) {
    into.id = trim_blanks(text);
    if (into.id.empty()) return fmt::format("no {}", id_column);
    if (transaction_id::parse(into.id)) return {};
    return fmt::format("{} is no id: {}", quoted(into.id), transaction_id_rule);
}

std::string read_status(std::string_view text, merchant_line& into) {
    text = trim_blanks(text);
    if (text.empty()) return {};
    if (text.size() > max_status_length) return fmt::format("{} is longer than 64 bytes", status_column);
    if (text.find_first_of("\r\n") != std::string_view::npos)
        return fmt::format("{} has a line end in it: is a quote not closed?", status_column);
    into.belief.status = text;
    return {};
}

std::string read_amount(std::string_view text, merchant_line& into) {
    text = trim_blanks(text);
    if (text.empty()) return {};
    into.belief.fiat_amount = text;
    if (decimal::parse(text)) return {};
    return fmt::format(
        "{} is no {}: at most 18 digits, and a point with at most 18 behind it, as in 1234.50", quoted(text),
        amount_column);
}

std::string read_currency(std::string_view text, merchant_line& into) {
    text = trim_blanks(text);
    if (text.empty()) return {};
    into.belief.fiat_currency = text;
    if (text.size() <= reconcile_totals::max_currency_length &&
        std::all_of(text.begin(), text.end(), is_letter_or_digit))
        return {};
    return fmt::format("{} is no {}: a code such as EUR", quoted(text), currency_column);
}

std::string read_credited(std::string_view text, merchant_line& into) {
    text = trim_blanks(text);
    if (text.empty()) return {};
    std::string word(text.substr(0, 8));
    std::transform(word.begin(), word.end(), word.begin(), [](char c) {
        return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    });
    constexpr std::array<std::string_view, 6> words{"true", "yes", "1", "false", "no", "0"};
    const auto* const found = std::find(words.begin(), words.end(), word);
    if (found == words.end())
        return fmt::format("{} is not a value of {}: true or false", quoted(text), credited_column);
    into.belief.credited = found - words.begin() < 3;
    return {};
}

} // namespace prooftrack::track
