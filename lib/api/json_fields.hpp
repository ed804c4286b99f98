#pragma once

// The members of a request's JSON object, each as the bytes that came. Pure.

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/problem.hpp"
#include "net/json.hpp"

namespace prooftrack::api {

/// Refers to the text it was parsed from.
class json_fields {
  public:
    /// One whole JSON object by the API's rules (no duplicates, overflow, lone surrogates, depth to 32) with no other
    /// members.
    static parsed<json_fields> parse(std::string_view text, std::initializer_list<std::string_view> known);

    /// The same, with any members: for bodies that are somebody else's.
    static parsed<json_fields> parse_open(std::string_view text);

    /// The value's bytes; nullopt when the member is absent.
    std::optional<std::string_view> raw(std::string_view name) const;

    /// Absent gives nullopt; another type than a string, or a whole number from 0, is refused.
    parsed<std::optional<std::string>> text(std::string_view name) const;
    parsed<std::optional<std::uint64_t>> number(std::string_view name) const;

    const std::vector<net::json_member>& members() const { return members_; }

  private:
    std::vector<net::json_member> members_;
};

/// The member `note` by the rule of notes (`base/note_rules.hpp`): "" when it is absent or null.
parsed<std::string> read_note(const json_fields& fields);

} // namespace prooftrack::api
