#include "base/ids.hpp"

#include <algorithm>

namespace prooftrack {
namespace {

bool is_id_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '~' || c == '-';
}

} // namespace

std::optional<transaction_id> transaction_id::parse(std::string_view text) {
    if (text.empty() || text.size() > max_transaction_id_length || text == "." || text == "..") return std::nullopt;
    if (!std::all_of(text.begin(), text.end(), is_id_character)) return std::nullopt;
    return transaction_id(text);
}

} // namespace prooftrack
