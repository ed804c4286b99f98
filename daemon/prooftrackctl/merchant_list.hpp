#pragma once

// The merchant's own list, CSV or NDJSON, read line by line. Pure.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "track/reconciliation.hpp"

namespace prooftrack::ctl {

/// One line that could be read; valid while it is handed over.
struct merchant_line {
    std::uint64_t line = 0; ///< where it begins in the file, counted from 1; a CSV's header is line 1
    std::string_view id;    ///< a valid merchant_transaction_id
    track::merchant_belief belief;
};

/// The columns or members that are read; others are passed over.
inline constexpr std::string_view id_column = "merchant_transaction_id";
inline constexpr std::string_view status_column = "status";
inline constexpr std::string_view amount_column = "fiat_amount";
inline constexpr std::string_view currency_column = "fiat_currency";
inline constexpr std::string_view credited_column = "credited";

inline constexpr std::size_t max_status_length = 64;

/// Reads any pieces of a list. It is NDJSON when its first character is `{`, else CSV (RFC 4180) whose first record
/// names the columns. A UTF-8 byte order mark, CRLF and empty lines are taken; spaces around a value do not count; an
/// empty value, or null, says nothing. A line that cannot be read is reported, and reading goes on.
class merchant_list {
  public:
    static constexpr std::size_t max_line = 64UL * 1024;

    using line_sink = std::function<void(const merchant_line&)>;
    /// `ids`: what the line may be about, as far as that can be read; more than one when it is not clear which value is
    /// the id. Valid ids, and valid while they are handed over.
    using fault_sink =
        std::function<void(std::uint64_t line, std::string_view why, const std::vector<std::string_view>& ids)>;

    merchant_list(line_sink on_line, fault_sink on_fault);
    ~merchant_list();

    /// Both throw command_failure when the whole is no list: no column with the ids, a column twice, compressed, a
    /// spreadsheet, UTF-16, one JSON array.
    void take(std::string_view piece);
    void finish();

    class format; ///< how lines become values

  private:
    void choose();

    line_sink on_line_;
    fault_sink on_fault_;
    std::string head_; ///< what came before the format was known
    std::unique_ptr<format> format_;
};

} // namespace prooftrack::ctl
