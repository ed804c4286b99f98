#pragma once

// CSV as RFC 4180 has it, record by record. Pure.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack {

/// Cuts a stream of any pieces into records: commas, LF or CRLF, fields in double quotes with `""` for a quote. Empty
/// lines are left out. A record that breaks the rules or a bound is reported, and reading goes on behind the next LF.
class csv_records {
  public:
    static constexpr std::size_t max_record = 64UL * 1024; ///< bytes of its fields together
    static constexpr std::size_t max_fields = 256;

    /// `fields` are valid during the call. A record's `line` is the one where it begins, counted from 1.
    using record_sink = std::function<void(std::uint64_t line, const std::vector<std::string_view>& fields)>;
    /// Also valid during the call.
    struct fault {
        std::uint64_t line = 0;
        std::string_view why;
        const std::vector<std::string_view>& fields; ///< those that ended before it
        bool swallows_lines = false;                 ///< what may have been lines of their own is lost with it
    };
    using fault_sink = std::function<void(const fault&)>;

    csv_records(record_sink on_record, fault_sink on_fault)
        : on_record_(std::move(on_record)), on_fault_(std::move(on_fault)) {}

    void take(std::string_view piece);
    /// The input has ended: the last record needs no LF.
    void finish();

  private:
    enum class place : std::uint8_t { field_start, plain, quoted, behind_quote, behind_return, skipping };

    void step(char c);
    void step_behind_quote(char c);
    void store(char c);
    void end_field();
    void end_record();
    void fail(std::string_view why);
    void begin_record();
    void cut_fields();

    record_sink on_record_;
    fault_sink on_fault_;
    std::string text_;              ///< the record's fields, one behind the other
    std::vector<std::size_t> ends_; ///< of each field in `text_`
    std::vector<std::string_view> fields_;
    std::uint64_t line_ = 1;
    std::uint64_t record_line_ = 1;
    place place_ = place::field_start;
    bool quotes_ = false; ///< the record has a field in quotes: it is not an empty line
};

} // namespace prooftrack
