#include "api/response_head.hpp"

#include <iterator>

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

namespace prooftrack {

std::string format_response_head(const api_response& response, connection_fate fate) {
    namespace http = boost::beast::http;
    const std::string_view reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
    std::string out =
        fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\n", response.status, reason, response.content_type);
    auto to = std::back_inserter(out);
    for (const auto& [name, value] : response.headers) fmt::format_to(to, "{}: {}\r\n", name, value);
    if (response.chunked) {
        out += "Transfer-Encoding: chunked\r\n";
    } else if (!response.stream) {
        fmt::format_to(to, "Content-Length: {}\r\n", response.body.size());
    }
    if (fate == connection_fate::close) out += "Connection: close\r\n";
    out += "\r\n";
    return out;
}

std::string format_chunk_head(std::size_t bytes) { return fmt::format("{:x}\r\n", bytes); }

} // namespace prooftrack
