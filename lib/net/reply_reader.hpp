#pragma once

// A reply as receivers really write it: strict about the status line, which decides, and lenient about all that
// follows. Pure. Boost.Beast refuses a missing reason phrase, a bare LF, a space before a colon and a large header.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/chunk_decoder.hpp"
#include "net/error.hpp"

namespace prooftrack::net {

using header_list = std::vector<std::pair<std::string, std::string>>;

struct http_limits {
    std::size_t header = 64 * 1024; ///< status line, fields and interim replies together
    std::size_t body = 16 * 1024;   ///< of a longer one the beginning is kept, and the connection is used up
};

struct http_reply {
    int status = 0;
    header_list headers; ///< at most 128; names as they came
    std::string body;
    bool is_whole = false;   ///< nothing is missing, and nothing in it was odd enough to doubt where it ends
    bool keep_alive = false; ///< another request may follow on the connection: whole, and neither side ends it

    /// The first header of that name, case ignored; nullopt when there is none.
    std::optional<std::string_view> header(std::string_view name) const;
};

/// Takes the bytes of one reply in any pieces. Interim replies (1xx, at most 8) are skipped.
class reply_reader {
  public:
    explicit reply_reader(http_limits limits) : limits_(limits) {}

    /// Returns how many of the bytes belong to the reply; what is behind them belongs to none. Takes nothing any more
    /// once `is_over`.
    std::size_t feed(std::string_view bytes);

    /// The connection has ended, `in_order` or broken off.
    void finish(bool in_order);

    bool is_untouched() const { return is_untouched_; }
    /// The final status line was read: `reply().status` holds, whatever follows.
    bool has_status() const { return reply_.status != 0; }
    bool has_head() const { return stage_ > stage::head; }
    /// Whole, or so odd that nothing more is read.
    bool is_over() const { return stage_ == stage::whole || stage_ == stage::broken; }
    /// Why there is no status line: net_error::not_http or header_too_large.
    error_code fault() const { return fault_; }

    const http_reply& reply() const { return reply_; }
    http_reply take_reply() { return std::move(reply_); }

  private:
    enum class stage : std::uint8_t {
        status_line,
        interim_head,
        head,
        sized_body,
        body_to_end,
        chunked_body,
        whole,
        broken
    };

    std::size_t take_line(std::string_view bytes);
    std::size_t take_body(std::string_view bytes);
    void on_line(std::string_view line);
    void on_status_line(std::string_view line);
    void on_field(std::string_view line);
    void on_length(std::string_view value);
    void on_head_end();
    std::size_t take_chunks(std::string_view bytes);
    void end_whole();
    void break_off(error_code fault);

    http_limits limits_;
    http_reply reply_;
    stage stage_ = stage::status_line;
    error_code fault_;
    std::string line_;           ///< the unfinished one
    std::size_t line_bytes_ = 0; ///< of all lines together
    std::uint64_t left_ = 0;     ///< of the sized body
    std::uint64_t body_bytes_ = 0;
    std::optional<chunk_decoder> chunks_;
    std::optional<std::uint64_t> length_;
    int interim_ = 0;
    bool is_untouched_ = true;
    bool is_1_1_ = false;
    bool says_close_ = false;
    bool says_keep_alive_ = false;
    bool is_chunked_ = false;
    bool is_odd_ = false; ///< where the reply ends is a guess
};

} // namespace prooftrack::net
