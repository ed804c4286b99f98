#pragma once

// JSON as bytes: checked as a whole, looked into without being rewritten, compared as values. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace prooftrack::net {

enum class json_error {
    not_json = 1,    ///< not one JSON text
    incomplete,      ///< ends in the middle
    extra_data,      ///< something stands behind the text
    not_utf8,        ///< bytes that are not UTF-8
    lone_surrogate,  ///< \ud800 to \udfff without its other half
    duplicate_key,   ///< a name stands twice in one object
    too_deep,        ///< nested deeper than the limit
    number_overflow, ///< a number that no double can hold, or with an exponent of more than 9 digits
    not_object,      ///< whole and valid, but not an object
};
const boost::system::error_category& json_category();
error_code make_error_code(json_error error);

struct json_limits {
    std::size_t max_depth = 32;         ///< arrays and objects within each other
    bool allow_duplicate_keys = false;  ///< for what others send and we pass on
    bool allow_number_overflow = false; ///< likewise
};

/// Where and why a text is refused.
struct json_fault {
    json_error error = json_error::not_json;
    std::size_t offset = 0;      ///< bytes from the start, at or behind the fault
    std::string name;            ///< duplicate_key: the decoded name
    std::string message() const; ///< for people, without the text's values
};

/// nullopt when `text` is one whole UTF-8 JSON text (surrounded by white space at most) within `limits`.
std::optional<json_fault> find_json_fault(std::string_view text, const json_limits& limits = {});

/// The same as a result.
result<void> check_json(std::string_view text, const json_limits& limits = {});

/// One member of an object: the decoded name and the bytes of the value as they stand in the text.
struct json_member {
    std::string key;
    std::string_view value; ///< without white space around it; points into the text
};

/// Members of a top-level object in the order of the text. Checks the whole text first.
result<std::vector<json_member>> top_level_members(std::string_view text, const json_limits& limits = {});

/// Decodes the bytes of a JSON string with its quotes; nullopt when `value` is not a string. `value` must be valid
/// JSON.
std::optional<std::string> decode_json_string(std::string_view value);

/// The texts of an array of strings; nullopt when `value` is anything else. `value` must be valid JSON.
std::optional<std::vector<std::string>> decode_string_array(std::string_view value);

/// A spelling that is equal for equal JSON values: names sorted, numbers as exact decimals (1.10 = 1.1 = 11e-1, -0 = 0,
/// 23 digits stay exact), strings escaped one way, no white space. With duplicate names allowed by `limits` the last
/// one counts.
result<std::string> canonical_json(std::string_view text, const json_limits& limits = {});

} // namespace prooftrack::net

template <>
struct boost::system::is_error_code_enum<prooftrack::net::json_error> : std::true_type {};
