#pragma once

// Reads an NDJSON import in slices, so that a big one does not hold up the loop. Pure.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/backend.hpp"

namespace prooftrack::api {

inline constexpr std::size_t max_import_lines = 100'000;
/// Longer than any valid line, escapes included; a longer one is rejected without being parsed.
inline constexpr std::size_t max_import_line_bytes = 32 * 1024;

/// Lines that are not empty (white space alone is empty).
std::size_t count_import_lines(std::string_view body);

/// Owns the body until it is read. A line is an object as POST /v1/transactions takes it, a JSON string, or a bare id.
class import_reader {
  public:
    explicit import_reader(std::string body) : body_(std::move(body)) {}

    /// Reads at least one and at most `max_lines` further lines; true while more are left.
    bool read_slice(std::size_t max_lines);

    std::vector<import_line> take_lines() { return std::move(lines_); }
    std::vector<import_rejection> take_rejected() { return std::move(rejected_); }

  private:
    void read_line(std::string_view line);

    std::string body_;
    std::size_t position_ = 0;
    std::uint32_t line_ = 0;
    std::vector<import_line> lines_;
    std::vector<import_rejection> rejected_;
};

} // namespace prooftrack::api
