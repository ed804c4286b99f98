#include "api/accept_weight.hpp"

#include <boost/beast/core/string.hpp>

namespace prooftrack::api {
namespace {

using boost::beast::iequals;

constexpr int most = 1'000;

std::string_view trim(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Cuts the part before `separator` off, and the separator.
std::string_view take_part(std::string_view& text, char separator) {
    const std::size_t end = text.find(separator);
    const std::string_view part = trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return part;
}

/// "0", "0.5", "1.000": at most three digits behind the point.
int read_weight(std::string_view text) {
    const bool plain = !text.empty() && (text[0] == '0' || text[0] == '1') && text.size() <= 5 &&
                       (text.size() == 1 || text[1] == '.') &&
                       text.find_first_not_of("0123456789", 2) == std::string_view::npos;
    if (!plain || text[0] == '1') return most;
    int weight = 0;
    int place = most / 10;
    for (std::size_t i = 2; i < text.size(); ++i, place /= 10) weight += place * (text[i] - '0');
    return weight;
}

/// How closely `range` names `type`: 0 = not at all, 1 = "*/*", 2 = "type/*", 3 = by its name.
int closeness(std::string_view range, std::string_view type) {
    if (iequals(range, type)) return 3;
    if (range == "*/*") return 1;
    const std::string_view group = type.substr(0, type.find('/') + 1);
    return range.size() == group.size() + 1 && range.back() == '*' && iequals(range.substr(0, group.size()), group) ? 2
                                                                                                                    : 0;
}

} // namespace

int accept_weight(std::string_view accept, std::string_view type, accept_wildcards wildcards) {
    int closest = wildcards == accept_wildcards::counted ? 0 : 2;
    int weight = 0;
    while (!accept.empty()) {
        std::string_view item = take_part(accept, ',');
        const int close = closeness(take_part(item, ';'), type);
        if (close <= closest) continue;
        closest = close;
        weight = most;
        while (!item.empty()) {
            std::string_view parameter = take_part(item, ';');
            if (iequals(take_part(parameter, '='), "q")) weight = read_weight(trim(parameter));
        }
    }
    return weight;
}

} // namespace prooftrack::api
