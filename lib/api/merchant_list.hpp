#pragma once

// The merchant's own list, CSV or NDJSON, read line by line. Pure.

#include <cstdint>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "track/merchant_line.hpp"

namespace prooftrack::api {

enum class list_format : std::uint8_t {
    by_content, ///< NDJSON when the first character is `{`, else CSV
    ndjson,
    csv,
};

/// The whole is no list: no column with the ids, a column twice, compressed, a spreadsheet, UTF-16, one JSON array.
/// what() says what to do.
class not_a_list : public std::runtime_error {
  public:
    using std::runtime_error::runtime_error;
};

/// Reads any pieces of a list: NDJSON, or CSV (RFC 4180) whose first record names the columns. A UTF-8 byte order mark,
/// CRLF and empty lines are taken; spaces around a value do not count; an empty value, or null, says nothing. A line
/// that cannot be read is reported, and reading goes on.
class merchant_list {
  public:
    static constexpr std::size_t max_line = 64UL * 1024;

    using line_sink = std::function<void(const track::merchant_line&)>;
    using fault_sink = std::function<void(const track::unreadable_line&)>;

    merchant_list(line_sink on_line, fault_sink on_fault, list_format wanted = list_format::by_content);
    ~merchant_list();
    merchant_list(const merchant_list&) = delete;
    merchant_list& operator=(const merchant_list&) = delete;

    /// Both throw not_a_list, but no more once it `is_begun`.
    void take(std::string_view piece);
    void finish();
    /// True when the format is known, and of CSV the columns.
    bool is_begun() const;

    class format; ///< how lines become values

  private:
    void choose();

    line_sink on_line_;
    fault_sink on_fault_;
    list_format wanted_;
    std::string head_; ///< what came before the format was known
    std::unique_ptr<format> format_;
};

} // namespace prooftrack::api
