#pragma once

// A strict incremental parser of HTTP/1.1 responses to GET and POST, reused from reply to reply without allocating.

#include <cstdint>
#include <string>
#include <string_view>

#include "net/chunk_decoder.hpp"

namespace prooftrack::proof {

/// Why bytes are not a reply that can be used.
enum class reply_fault : std::uint8_t {
    none,
    not_http,         ///< the first bytes are not a status line of HTTP/1.x
    malformed_header, ///< a header line that the grammar refuses: bare LF or CR, no colon, folding, control bytes
    header_too_large, ///< status line, fields, interim replies and trailers over max_reply_header
    bad_framing,      ///< lengths that contradict each other, or a transfer coding other than chunked
    malformed_chunk,  ///< a chunk line, a chunk's end or a trailer that the grammar refuses
    body_too_large,   ///< announced or sent more than the limit
    truncated,        ///< the connection ended inside the reply
};
std::string_view describe(reply_fault fault); ///< a few words for people

/// Most bytes of everything in a reply that is not body: header, interim (1xx) replies, trailers.
inline constexpr std::size_t max_reply_header = 16 * 1024;

/// Takes bytes until one reply is whole. Fields that are not needed are checked and skipped. Views from the
/// accessors are valid until the next `reset` or `feed`.
class reply_parser {
  public:
    explicit reply_parser(std::size_t max_body) : max_body_(max_body) {}

    /// Forgets the last reply, keeps the buffers.
    void reset(std::size_t max_body);

    /// Takes bytes from the front and says how many; fewer than given only when the reply is whole or wrong.
    std::size_t feed(std::string_view bytes);

    /// The connection ended cleanly: completes a reply that is framed by the end, faults one that is not.
    void finish();

    bool untouched() const {
        return phase_ == phase::status_line && header_.empty() && spent_ == 0;
    } ///< no byte came yet
    bool done() const { return phase_ == phase::done; }
    reply_fault fault() const { return fault_; }

    int status() const { return status_; }
    bool keep_alive() const { return keep_alive_; } ///< the connection may carry another request
    std::string_view content_type() const { return view(content_type_); }
    std::string_view content_encoding() const { return view(content_encoding_); }
    std::string_view request_id() const { return view(request_id_); }
    std::string_view retry_after() const { return view(retry_after_); }
    std::string_view date() const { return view(date_); }
    const std::string& body() const { return body_; }
    std::string take_body() { return std::move(body_); }

  private:
    enum class phase : std::uint8_t { status_line, fields, sized_body, body_to_end, chunks, done, faulted };
    /// Where a field's value lies in header_.
    struct extent {
        std::size_t at = 0;
        std::size_t size = 0;
        bool seen = false;
    };

    std::string_view view(extent where) const { return std::string_view(header_).substr(where.at, where.size); }
    bool in_lines() const { return phase_ <= phase::fields; }
    void fail(reply_fault fault);
    std::size_t take_line_bytes(std::string_view bytes);
    std::size_t take_body_bytes(std::string_view bytes);
    void end_line();
    void take_status_line(std::string_view line);
    void take_field(std::string_view line, std::size_t line_start);
    void take_framing(std::string_view name, std::string_view value);
    void take_connection(std::string_view value);
    void end_fields();
    std::size_t take_chunk_bytes(std::string_view bytes);

    std::size_t max_body_;
    std::string header_; ///< the lines of the current head; the line being read begins at line_start_
    std::size_t line_start_ = 0;
    std::size_t spent_ = 0;     ///< bytes of interim heads, which were dropped from header_
    std::size_t remaining_ = 0; ///< of the sized body
    net::chunk_decoder chunks_{net::chunk_rules{}};
    std::string body_;
    phase phase_ = phase::status_line;
    reply_fault fault_ = reply_fault::none;
    int status_ = 0;
    bool version_one_one_ = false;
    bool keep_alive_ = false;
    bool close_asked_ = false;
    bool keep_alive_asked_ = false;
    bool chunked_ = false;
    bool sized_ = false;
    std::size_t length_ = 0;
    extent content_type_;
    extent content_encoding_;
    extent request_id_;
    extent retry_after_;
    extent date_;
};

} // namespace prooftrack::proof
