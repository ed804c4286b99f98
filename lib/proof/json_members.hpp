#pragma once

// The members of a reply's object that we look at; the rest is checked for grammar alone and passed on as bytes.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "net/json.hpp"

namespace prooftrack::proof {

enum class member_state : std::uint8_t { ok, missing, repeated, not_a_string };

/// A member that must be a string; `text` is decoded, "" unless the state is ok.
struct string_member {
    member_state state = member_state::missing;
    std::string text;
};

/// The members of a body that is one whole UTF-8 JSON object. What Proof sends beside our members may repeat names and
/// hold numbers of any size, but nests no deeper than 128.
result<std::vector<net::json_member>> parse_reply_object(std::string_view body);

string_member find_string(const std::vector<net::json_member>& members, std::string_view name);

} // namespace prooftrack::proof
