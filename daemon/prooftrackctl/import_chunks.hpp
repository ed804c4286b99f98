#pragma once

// Lines of an import gathered into requests. Pure.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace prooftrack::ctl {

/// Lines for one request: NDJSON, every line an object.
struct import_chunk {
    std::vector<std::uint64_t> lines; ///< where each came from in the file, counted from 1; never empty
    std::string body;
};

/// Cuts a stream of any pieces into lines and lines into chunks of bounded size. A bare id becomes an object; empty
/// lines are left out. So is a line over `max_line`, which is reported to `on_too_long`.
class import_chunker {
  public:
    static constexpr std::size_t max_lines = 10'000;
    static constexpr std::size_t max_bytes = 8UL * 1024 * 1024;
    static constexpr std::size_t max_line = 64UL * 1024; ///< the largest valid line, every byte escaped, is well below

    import_chunker(
        std::function<void(const import_chunk&)> on_chunk,
        std::function<void(std::uint64_t line, std::string_view why)> on_too_long)
        : on_chunk_(std::move(on_chunk)), on_too_long_(std::move(on_too_long)) {}

    void take(std::string_view piece);
    /// The input has ended: the last line needs no LF.
    void finish();

  private:
    void end_line();
    void send();

    std::function<void(const import_chunk&)> on_chunk_;
    std::function<void(std::uint64_t, std::string_view)> on_too_long_;
    import_chunk chunk_;
    std::string line_;
    std::uint64_t line_number_ = 1;
    bool too_long_ = false;
};

/// One line as it is sent: an object as it is, an id (bare or as a JSON string) wrapped into one, "" for an empty line.
std::string format_import_line(std::string_view line);

} // namespace prooftrack::ctl
