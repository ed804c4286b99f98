#pragma once

// Requests and responses as values: what the router sees of HTTP.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "api/body_stream.hpp"
#include "base/unique_function.hpp"

namespace prooftrack::api {

/// The header of a request, as far as the API looks at it.
struct request_head {
    std::string method; ///< as sent: methods are case-sensitive
    std::string target; ///< as sent, percent-encoded
    std::string content_type;
    std::string content_encoding;
    std::string accept; ///< all of its lines
    std::optional<std::string> idempotency_key;
    std::string last_event_id;
    std::string traceparent; ///< as `read_traceparent` gives it; "" also when there are several
    bool has_body = false;   ///< Content-Length over 0, or chunked
    bool http_1_0 = false;   ///< the client cannot take a chunked answer
    client_identity who;
    bool may_change = false; ///< the access rules, applied to the peer
};

struct api_request {
    request_head head;
    std::string body;
};

struct api_response {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers; ///< besides Content-Type, Content-Length and Connection
    std::shared_ptr<body_stream> stream;                      ///< in place of `body`; shared with its producer
    bool chunked = false;   ///< with a stream: chunks, so that the client can tell its end from a failure; else by the
                            ///< stream's size, or until close
    std::string_view route; ///< the matched path template, for logs; "" = none
};

/// Names a request in progress. Never given twice.
enum class request_ticket : std::uint64_t {};
/// Of a request that cannot be cancelled.
inline constexpr request_ticket no_ticket{};

/// Answers requests. Lives on the loop.
class request_handler {
  public:
    virtual ~request_handler() = default;

    /// A refusal that needs no body: unknown route, method, access, media type.
    virtual std::optional<api_response> refuse(const request_head& head) = 0;

    /// Most bytes that a body may have.
    virtual std::size_t body_limit(const request_head& head) = 0;
    /// What to do with a longer one, for people; "" = nothing to say.
    virtual std::string_view advice_on_length(const request_head& /*head*/) { return {}; }

    /// Answers a whole request: `respond` runs exactly once, at once or later, unless the ticket was cancelled.
    virtual request_ticket handle(api_request request, unique_function<void(api_response)> respond) = 0;

    /// Cancels the request of this ticket: its `respond` is then never called.
    virtual void cancel(request_ticket ticket) = 0;
};

/// The media type of a Content-Type in lower case, without its parameters.
std::string media_type(std::string_view content_type);

/// `what` as application/problem+json, with its Retry-After; 405 gets its `Allow` from the caller.
api_response problem_response(const problem& what);

} // namespace prooftrack::api
