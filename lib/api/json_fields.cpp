#include "api/json_fields.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "api/problem.hpp"
#include "api/target.hpp"
#include "base/note_rules.hpp"

namespace prooftrack::api {
parsed<json_fields> json_fields::parse_open(std::string_view text) {
    auto members = net::top_level_members(text);
    if (!members) {
        if (const auto fault = net::find_json_fault(text)) {
            return refused(fmt::format("the body is not usable JSON: {}", fault->message()));
        }
        return refused("the body is not a JSON object: send one, as {\"name\": \"value\"}");
    }
    json_fields made;
    made.members_ = std::move(*members);
    return made;
}

parsed<json_fields> json_fields::parse(std::string_view text, std::initializer_list<std::string_view> known) {
    auto made = parse_open(text);
    if (!made) return made;
    for (const net::json_member& member : made->members_) {
        if (std::find(known.begin(), known.end(), member.key) != known.end()) continue;
        return refused(fmt::format(
            "unknown member '{}': this body takes {}", member.key.substr(0, 64),
            known.size() == 0 ? "none" : fmt::format("{}", fmt::join(known, ", "))));
    }
    return made;
}

std::optional<std::string_view> json_fields::raw(std::string_view name) const {
    for (const net::json_member& member : members_) {
        if (member.key == name) return member.value;
    }
    return std::nullopt;
}

parsed<std::optional<std::string>> json_fields::text(std::string_view name) const {
    const auto value = raw(name);
    if (!value) return std::optional<std::string>();
    auto decoded = net::decode_json_string(*value);
    if (!decoded) return refused(fmt::format("{} is not a string", name));
    return decoded;
}

parsed<std::optional<std::uint64_t>> json_fields::number(std::string_view name) const {
    const auto value = raw(name);
    if (!value) return std::optional<std::uint64_t>();
    const auto number = parse_number(*value);
    if (!number) return refused(fmt::format("{} is not a whole number from 0", name));
    return number;
}

parsed<std::string> read_note(const json_fields& fields) {
    if (fields.raw("note") == "null") return std::string();
    auto given = fields.text("note");
    if (!given) return given.error();
    std::string note = given->value_or("");
    if (!is_allowed_note(note))
        return refused(fmt::format("note is one line of at most {} bytes, without control characters", longest_note));
    return note;
}

} // namespace prooftrack::api
