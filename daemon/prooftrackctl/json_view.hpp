#pragma once

// JSON as the bytes it came in: values are cut out, never rebuilt, so that `1.10` stays `1.10`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::ctl {

/// A value inside a text that outlives it. A value that is not there is `missing`; every question to it is answered
/// "nothing".
class json_view {
  public:
    enum class type : std::uint8_t { missing, null, boolean, number, string, array, object };
    struct member;

    json_view() = default;

    /// The one value in `text`, space around it allowed; `missing` when brackets or strings do not close or something
    /// follows.
    static json_view parse(std::string_view text);

    type kind() const;
    bool is_missing() const { return raw_.empty(); }
    bool is_null() const { return raw_ == "null"; }

    /// The value's bytes without space around it.
    std::string_view raw() const { return raw_; }

    /// An object's first member of that (unescaped) name.
    json_view operator[](std::string_view name) const;
    std::vector<member> members() const;
    std::vector<json_view> elements() const;

    std::optional<std::string> string() const; ///< unescaped
    std::optional<std::uint64_t> unsigned_integer() const;
    std::optional<double> number() const;
    std::optional<bool> boolean() const;

    /// For people: a string without its quotes, "" for missing and null, else the raw bytes.
    std::string text() const;

  private:
    explicit json_view(std::string_view raw) : raw_(raw) {}
    std::string_view raw_;
};

struct json_view::member {
    std::string name;
    json_view value;
};

/// On one line: CR and LF become spaces (they can only stand between tokens), space at both ends goes.
std::string one_line(std::string_view json);

/// As a JSON string with its quotes.
std::string json_string(std::string_view text);

} // namespace prooftrack::ctl
