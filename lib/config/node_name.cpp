#include "config/node_name.hpp"

#include <algorithm>

namespace prooftrack::config {

std::string check_node_name(std::string_view name) {
    constexpr std::size_t longest = 64;
    const bool is_made_of_them = std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    });
    if (!name.empty() && name.size() <= longest && is_made_of_them) return {};
    return "must be 1 to 64 letters, digits, '.', '_' or '-'";
}

} // namespace prooftrack::config
