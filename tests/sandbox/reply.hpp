#pragma once

// What a site is asked and what it wants sent: values alone, so that the sites can be tested without a socket.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace prooftrack::sandbox {

/// One whole request. The views live until the site has answered.
struct incoming_request {
    std::string_view method;
    std::string_view target; ///< path and query as they came
    std::string_view authorization;
    std::string_view body;
    bool keep_alive = true;
    instant arrival{}; ///< when the read that completed the request returned

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
    /// More body after `body`: appends the next piece, false when it was the last. Such a reply is sent chunked.
    std::function<bool(std::string&)> more{};
};

/// What the connection does: waits, sends, goes on or ends.
struct reply_plan {
    enum class ending : std::uint8_t {
        as_asked, ///< keep the connection when the client wants it
        close,    ///< close it without a word
        stall,    ///< keep it open and send nothing more
    };
    milliseconds delay{0};
    std::string bytes;                        ///< sent first
    std::function<bool(std::string&)> more{}; ///< then pieces until it returns false
    std::optional<milliseconds> drip;         ///< one byte at a time, this far apart
    ending then = ending::as_asked;
    milliseconds stall_for{std::chrono::minutes(10)};
};

/// The bytes of a reply with its head: Date, X-Request-Id, Content-Type, Content-Length (or chunked).
std::string format_reply(const reply& what, const incoming_request& request, std::string_view request_id);

/// Turns pieces of a body into HTTP chunks, the last one included.
std::function<bool(std::string&)> as_chunks(std::function<bool(std::string&)> more);

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string format_http_date(wall_time when);

/// Appends `text` as a JSON string with its quotes.
void append_json(std::string& out, std::string_view text);

} // namespace prooftrack::sandbox
