#include "store/metadata_match.hpp"

#include <algorithm>

#include "net/json.hpp"

namespace prooftrack::store {

bool has_metadata(std::string_view metadata, std::span<const track::metadata_filter> wanted) {
    if (wanted.empty()) return true;
    const auto members = net::top_level_members(metadata, {.allow_duplicate_keys = true});
    if (!members) return false;
    return std::all_of(wanted.begin(), wanted.end(), [&members](const track::metadata_filter& filter) {
        return std::any_of(members->begin(), members->end(), [&filter](const net::json_member& member) {
            if (member.key != filter.key) return false;
            const auto text = net::decode_json_string(member.value);
            return text ? *text == filter.value : member.value == filter.value;
        });
    });
}

} // namespace prooftrack::store
