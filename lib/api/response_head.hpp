#pragma once

// The first lines of an answer. Pure.

#include <string>
#include <string_view>

#include "api/message.hpp"
#include "base/time.hpp"

namespace prooftrack::api {

enum class connection_fate : bool { keep, close };

/// Status line and fields, with the empty line. A body whose size is known gets its Content-Length. `date` is the time
/// of the answer as `format_http_date` writes it.
std::string format_response_head(const api_response& response, connection_fate fate, std::string_view date);

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
std::string format_http_date(wall_time when);

/// A chunk of a chunked body; `bytes` is not empty.
std::string format_chunk_head(std::size_t bytes);

} // namespace prooftrack::api
