#include "proof/json_members.hpp"

#include <utility>

namespace prooftrack::proof {

result<std::vector<net::json_member>> parse_reply_object(std::string_view body) {
    net::json_limits limits;
    limits.max_depth = 128;
    limits.allow_duplicate_keys = true;
    limits.allow_number_overflow = true;
    return top_level_members(body, limits);
}

string_member find_string(const std::vector<net::json_member>& members, std::string_view name) {
    const net::json_member* found = nullptr;
    for (const net::json_member& member : members) {
        if (member.key != name) continue;
        if (found != nullptr) return {member_state::repeated, {}};
        found = &member;
    }
    if (found == nullptr) return {member_state::missing, {}};
    auto text = net::decode_json_string(found->value);
    if (!text) return {member_state::not_a_string, {}};
    return {member_state::ok, std::move(*text)};
}

} // namespace prooftrack::proof
