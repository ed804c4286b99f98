#pragma once

// HTTP/1.1 requests and their replies over a connected stream, one after the other, bounded in size and time.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/result.hpp"
#include "base/secret_header.hpp"
#include "base/time.hpp"
#include "net/reply_reader.hpp"
#include "net/stream.hpp"

namespace prooftrack::net {

/// `Host` and `Content-Length` are written from the fields; the two lists of headers must not hold them.
struct http_request {
    std::string method = "GET";
    std::string target = "/";
    std::string host; ///< value of the Host header
    header_list headers;
    std::vector<secret_header> secret_headers; ///< written behind `headers`; no copy of a value stays in freed memory
    std::shared_ptr<const std::string> body; ///< none = no body; shared because the same bytes may go to several peers
};

/// How much of a reply is waited for.
enum class reply_wait : std::uint8_t {
    receipt, ///< the status line when it says 2xx, else the header too; the rest is read when it comes
    whole,
};

/// A connected stream and what is still to come of the last reply on it. Movable while no exchange is under way.
class http_connection {
  public:
    explicit http_connection(any_stream stream) : stream_(std::move(stream)) {}

    any_stream& stream() { return stream_; }
    bool is_open() const { return stream_.is_open(); }
    void close();

    /// What may be done with an idle one.
    enum class readiness : std::uint8_t {
        ready, ///< another request may be sent
        busy,  ///< the last reply is not whole yet
        spent, ///< the peer has closed, has sent bytes without a request, or ends the connection: it was closed
    };
    /// Reads, without waiting, what has come since: plaintext that TLS holds back, a close_notify and bytes in the
    /// socket alike. Session tickets are no data.
    readiness look();

    /// The reply goes on: `look` reads what `rest` has not got yet.
    void expect(reply_reader rest) { rest_ = std::move(rest); }

  private:
    readiness read_ahead();

    any_stream stream_;
    std::optional<reply_reader> rest_;
};

/// Writes the request, skips 1xx replies, reads the final one. `until` is a hard deadline for all of it. Once a final
/// status line was read there is a reply: what is wrong or missing behind it shows in `is_whole`. Afterwards the
/// connection is closed, or may be kept and looked at before the next exchange. Operations in the errors: "write
/// request", "read reply". net_error::closed_before_reply: not one byte of a reply came (a reused connection may just
/// have been stale).
boost::asio::awaitable<op_result<http_reply>> async_http_exchange(
    http_connection& connection, http_request request, http_limits limits, reply_wait wait, steady_time until);

/// The request's bytes without the body, secret headers included; net_error::bad_request when a field holds a control
/// character.
result<std::string> format_request_head(const http_request& request);

} // namespace prooftrack::net
