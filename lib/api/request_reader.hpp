#pragma once

// Bytes in, requests out: HTTP/1.1 framing without a socket.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "api/backend.hpp"
#include "api/message.hpp"
#include "net/chunk_decoder.hpp"

namespace prooftrack::api {

inline constexpr std::size_t max_header_bytes = 16 * 1024;

/// Parses one request after the other from whatever pieces the bytes come in. After `head` the owner looks at the
/// header and says how large the body may be; after `whole` it takes the body and calls `begin_next`.
class request_reader {
  public:
    enum class step : std::uint8_t {
        idle,    ///< not a byte of a next request
        more,    ///< in the middle of one
        head,    ///< the header is whole: call `accept_body`
        whole,   ///< the request is whole
        refused, ///< not HTTP, or over a limit: `refusal` says why, nothing more can be read
    };

    void append(std::string_view bytes) { input_ += bytes; }
    step next();

    /// From `head` on. `who`, `admin` are the owner's to fill in.
    const request_head& head() const { return head_; }
    std::optional<std::uint64_t> content_length() const { return content_length_; } ///< nullopt: chunked, or no body
    bool expects_continue() const { return expects_continue_; }
    bool keep_alive() const { return keep_alive_; }

    /// Lets `next` go on behind the header. A longer body is refused as too large, with the advice ("" = none).
    void accept_body(std::size_t limit, std::string_view advice = {});

    /// In place of `accept_body`, for a request that is answered already: its body is dropped as it comes, then the
    /// next request is read. Requires that the body has no chunks.
    void skip_body();
    bool is_skipping() const { return state_ == state::in_skipped; }

    std::string take_body();
    void begin_next();

    const problem& refusal() const { return refusal_; }
    std::size_t buffered() const { return input_.size(); } ///< bytes not consumed yet

  private:
    using parser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
    step refuse(problem_code code, std::string detail);
    step refuse_length();
    step next_head();
    step next_body();
    void read_head();
    /// Where the header ends in `input_`; nullopt: not there yet, or refused.
    std::optional<std::size_t> find_head_end();

    enum class state : std::uint8_t { before, in_head, at_head, in_body, in_skipped, done, failed };
    state state_ = state::before;
    std::string input_;
    std::optional<parser> parser_; ///< only while a request is read: an idle connection holds no buffers
    std::size_t scanned_ = 0;      ///< bytes of `input_` that were searched for the header's end
    request_head head_;
    std::optional<std::uint64_t> content_length_;
    bool expects_continue_ = false;
    bool keep_alive_ = false;
    std::size_t body_limit_ = 0;
    std::string length_advice_;
    std::size_t to_skip_ = 0; ///< bytes of a body that are read and dropped
    std::string body_;
    std::optional<net::chunk_decoder> chunks_; ///< only while a chunked body is read
    problem refusal_;
};

} // namespace prooftrack::api
