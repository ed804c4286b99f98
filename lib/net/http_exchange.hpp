#pragma once

// One HTTP/1.1 request and its reply over a connected stream, bounded in size and time.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "base/result.hpp"
#include "base/time.hpp"
#include "net/error.hpp"
#include "net/stream.hpp"

namespace prooftrack {

using header_list = std::vector<std::pair<std::string, std::string>>;

/// `Host` and `Content-Length` are written from the fields; `headers` must not hold them.
struct http_request {
    std::string method = "GET";
    std::string target = "/";
    std::string host; ///< value of the Host header
    header_list headers;
    std::shared_ptr<const std::string> body; ///< none = no body; shared because the same bytes may go to several peers
};

struct http_limits {
    std::size_t header = 16 * 1024;
    std::size_t body = 64 * 1024;
    /// What happens to a longer body: refused with body_too_large, or cut (then `body_was_cut`, and the connection is
    /// used up).
    bool cut_long_body = false;
};

struct http_reply {
    int status = 0;
    header_list headers; ///< names as they came
    std::string body;
    bool keep_alive = false; ///< another request may follow on the stream
    bool body_was_cut = false;
    /// The reply's body ended early or was cut off by the deadline, with `cut_long_body`: status and headers are whole
    /// all the same.
    bool body_is_incomplete = false;

    /// The first header of that name, case ignored; nullopt when there is none.
    std::optional<std::string_view> header(std::string_view name) const;
};

/// Writes the request, skips 1xx replies (at most 8), reads the final one. `until` is a hard deadline for all of it.
/// After an error the stream is closed. Operations in the errors: "write request", "read reply header", "read reply
/// body". net_error::closed_before_reply: not one byte of a reply came (a reused connection may just have been stale).
boost::asio::awaitable<op_result<http_reply>> async_http_exchange(any_stream& stream, http_request request,
                                                                  http_limits limits, steady_time until);

/// The request's bytes without the body; net_error::bad_request when a field holds a control character.
result<std::string> format_request_head(const http_request& request);

} // namespace prooftrack
