#pragma once

// The request target, taken apart. Pure.

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/problem.hpp"
#include "base/time.hpp"

namespace prooftrack::api {

/// Most a caller may wait.
inline constexpr milliseconds longest_wait = std::chrono::minutes(10);
/// Rows or events a page.
inline constexpr std::size_t default_limit = 100;
inline constexpr std::size_t largest_limit = 1000;

/// nullopt when `text` holds a `%` that is not followed by two hex digits. `+` stands for itself.
std::optional<std::string> percent_decode(std::string_view text);

/// Query parameters, decoded; each name at most once.
class query_values {
  public:
    /// Refuses broken percent-encoding and a name that stands twice.
    static parsed<query_values> parse(std::string_view query);

    /// Refuses any name that is not one of `known` and does not begin with `prefix` (if there is one).
    parsed<void> allow_only(std::initializer_list<std::string_view> known, std::string_view prefix = {}) const;

    /// The parameters whose names begin with `prefix`, named by what follows it.
    std::vector<std::pair<std::string, std::string>> with_prefix(std::string_view prefix) const;

    const std::string* find(std::string_view name) const;

    /// Each reads one parameter; absent gives nullopt or the default, a bad value a problem that names it.
    parsed<std::optional<wall_time>> time(std::string_view name) const;
    /// Two of them; refuses the second when both are there and it is not later: nothing lies between them.
    struct time_span {
        std::optional<wall_time> begin;
        std::optional<wall_time> end;
    };
    parsed<time_span> span(std::string_view begin, std::string_view end) const;
    parsed<std::optional<std::uint64_t>> number(std::string_view name) const;
    parsed<std::optional<std::string>> text(std::string_view name, std::size_t max_length) const;
    parsed<std::optional<std::string>> callback_name(std::string_view name) const;
    parsed<std::size_t> limit() const; ///< `limit`: 1 to 1000, 100 when absent
    parsed<milliseconds> wait() const; ///< `wait`: a duration of at most 10 minutes, 0 when absent

  private:
    std::vector<std::pair<std::string, std::string>> values_;
};

/// A target split at `?`; an absolute form (`http://host/path`) is reduced to its path.
struct request_target {
    std::string_view path;
    std::string_view query;
};
request_target split_target(std::string_view target);

/// 1 to 64 of a-z 0-9 _ -
bool is_callback_name(std::string_view name);

/// Decimal digits only, within 64 bits.
std::optional<std::uint64_t> parse_number(std::string_view text);

} // namespace prooftrack::api
