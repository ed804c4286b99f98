#pragma once

// A strict incremental parser of HTTP/1.1 responses to GET and POST, reused from reply to reply without allocating:
// Boost.Beast's `basic_parser` with checks of ours around it.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/basic_parser.hpp>

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
///
/// Beast parses the head and frames bodies with a length or none. Around it, because Beast alone is too lenient or too
/// strict for us: a head is refused at its first wrong line and not when it is whole (garbage, a bare LF), folded lines
/// are refused, a missing reason phrase is accepted, lengths are plain numbers, and chunks are left to
/// `net::chunk_decoder` (Beast 1.81 asserts when the last trailer comes in pieces).
class reply_parser {
  public:
    explicit reply_parser(std::size_t max_body) : max_body_(max_body) {}
    reply_parser(const reply_parser&) = delete; // Beast's part points to it
    reply_parser& operator=(const reply_parser&) = delete;

    /// Forgets the last reply, keeps the buffers.
    void reset(std::size_t max_body);

    /// Takes bytes from the front and says how many; fewer than given only when the reply is whole or wrong.
    std::size_t feed(std::string_view bytes);

    /// The connection ended cleanly: completes a reply that is framed by the end, faults one that is not.
    void finish();

    bool untouched() const {
        return phase_ == phase::status_line && head_.empty() && spent_ == 0;
    } ///< no byte came yet
    bool done() const { return phase_ == phase::done; }
    reply_fault fault() const { return fault_; }

    int status() const { return status_; }
    bool keep_alive() const { return keep_alive_; } ///< the connection may carry another request
    std::string_view content_type() const { return content_type_; }
    std::string_view content_encoding() const { return content_encoding_.value_or(std::string_view()); }
    std::string_view request_id() const { return request_id_; }
    std::string_view retry_after() const { return retry_after_; }
    std::string_view date() const { return date_; }
    const std::string& body() const { return body_; }
    std::string take_body() { return std::move(body_); }

  private:
    enum class phase : std::uint8_t { status_line, fields, body, chunks, done, faulted };

    /// Beast's parser for one reply, which hands what it reads to the owner.
    class message final : public boost::beast::http::basic_parser<false> {
      public:
        explicit message(reply_parser& owner);
        bool is_1_1() const { return is_1_1_; }

      private:
        using field = boost::beast::http::field;
        using text = boost::beast::string_view;
        using error_code = boost::beast::error_code;
        void on_request_impl(boost::beast::http::verb, text, text, int, error_code&) override {}
        void on_response_impl(int, text, int version, error_code&) override { is_1_1_ = version == 11; }
        void on_field_impl(field name, text name_text, text value, error_code& error) override;
        void on_header_impl(error_code&) override {}
        void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
        std::size_t on_body_impl(text body, error_code&) override;
        void on_chunk_header_impl(std::uint64_t, text, error_code&) override {}
        std::size_t on_chunk_body_impl(std::uint64_t, text, error_code&) override { return 0; }
        void on_finish_impl(error_code&) override {}

        reply_parser& owner_;
        bool is_1_1_ = false;
    };

    bool in_lines() const { return phase_ <= phase::fields; }
    void fail(reply_fault fault);
    std::size_t take_line_bytes(std::string_view bytes);
    void end_line();
    void take_status_line(std::string_view line);
    reply_fault take_field(boost::beast::http::field name, std::string_view name_text, std::string_view value);
    void end_head();
    std::size_t take_body_bytes(std::string_view bytes);
    std::size_t take_chunk_bytes(std::string_view bytes);

    std::size_t max_body_;
    std::string head_; ///< the lines of the current head; the line being read begins at line_start_
    std::size_t line_start_ = 0;
    std::size_t spent_ = 0; ///< bytes of interim heads, which were dropped from head_
    std::optional<message> message_;
    net::chunk_decoder chunks_{net::chunk_rules{}};
    std::string body_;
    phase phase_ = phase::status_line;
    reply_fault fault_ = reply_fault::none;
    int status_ = 0;
    bool keep_alive_ = false;
    bool has_length_ = false;
    // Into head_.
    std::string_view content_type_;
    std::string_view request_id_;
    std::string_view retry_after_;
    std::string_view date_;
    std::optional<std::string_view> content_encoding_;
};

} // namespace prooftrack::proof
