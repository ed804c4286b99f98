#pragma once

// What a site is asked and what it wants sent: values alone, so that the sites can be tested without a socket.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"
#include "faults.hpp"

namespace prooftrack::sandbox {

inline constexpr std::uint64_t endless_bytes = 64U << 20U; ///< of a body without an end

/// One whole request. The views live until the site has answered.
struct incoming_request {
    std::string_view method;
    std::string_view target; ///< path and query as they came
    std::string_view authorization;
    std::string_view body;
    bool keep_alive = true; ///< HTTP/1.1
    bool http2 = false;     ///< faults of HTTP/2 strike such a request alone
    instant arrival{};      ///< when the read that completed the request returned

    std::string_view path() const { return target.substr(0, target.find('?')); }
    /// The query's value of `name`, percent-decoded; nullopt when it is not there.
    std::optional<std::string> query(std::string_view name) const;
};

/// A reply before it is bytes.
struct reply {
    int status = 200;
    std::string body;
    std::string content_type = "application/json";
    std::vector<std::pair<std::string, std::string>> headers{};
    /// More body after `body`: appends the next piece, false when it was the last.
    std::function<bool(std::string&)> more{};
    std::optional<std::uint64_t> length; ///< with `more`: bytes of the whole body; nullopt = told by its end

    /// Whether a body may follow the head of this status.
    bool has_body() const { return status >= 200 && status != 204 && status != 304; }
};

/// What the connection does about one request: the same for every protocol.
struct reply_plan {
    milliseconds delay{0}; ///< since the arrival
    bool served = true;    ///< false: the request had no effect, and `answer` is empty
    reply answer;
    std::string request_id;
    /// What becomes of the answer on its way, if anything does. Never of a kind that is about the answer itself
    /// (status, wrong_id, huge), nor delay, refuse, max_streams.
    std::optional<fault> struck;
    /// HTTP/2: the connection announces this many streams, if it does not yet.
    std::optional<std::uint32_t> stream_limit;
};

/// The bytes of a reply of HTTP/1.1 with its head (Date, X-Request-Id, Content-Type, Content-Length or chunked),
/// without `more`.
std::string format_reply(const reply& what, const incoming_request& request, std::string_view request_id);

/// For what is no acceptable request: too long a header (431) or body (413), or not HTTP (400).
reply make_refusal(int status);

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string format_http_date(wall_time when);

/// Appends `text` as a JSON string with its quotes.
void append_json(std::string& out, std::string_view text);

} // namespace prooftrack::sandbox
