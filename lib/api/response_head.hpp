#pragma once

// The first lines of an answer. Pure.

#include <string>

#include "api/message.hpp"

namespace prooftrack {

enum class connection_fate : bool { keep, close };

/// Status line and fields, with the empty line. A plain body gets its Content-Length.
std::string format_response_head(const api_response& response, connection_fate fate);

/// A chunk of a chunked body; `bytes` is not empty.
std::string format_chunk_head(std::size_t bytes);

} // namespace prooftrack
