#include "api/response_head.hpp"

#include <array>
#include <chrono>
#include <iterator>

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "base/expects.hpp"

namespace prooftrack::api {

std::string format_response_head(const api_response& response, connection_fate fate, std::string_view date) {
    namespace http = boost::beast::http;
    const std::string_view reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
    std::string out = fmt::format(
        "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\n", response.status, reason, date, response.content_type);
    auto to = std::back_inserter(out);
    for (const auto& [name, value] : response.headers) fmt::format_to(to, "{}: {}\r\n", name, value);
    if (response.chunked) {
        out += "Transfer-Encoding: chunked\r\n";
    } else if (!response.stream) {
        fmt::format_to(to, "Content-Length: {}\r\n", response.body.size());
    } else if (const auto size = response.stream->size()) {
        fmt::format_to(to, "Content-Length: {}\r\n", *size);
    }
    if (fate == connection_fate::close) out += "Connection: close\r\n";
    out += "\r\n";
    return out;
}

std::string format_http_date(wall_time when) {
    static constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(std::chrono::floor<seconds>(when - day));
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
        days.at(std::chrono::weekday(std::chrono::sys_days(day)).c_encoding()), static_cast<unsigned>(date.day()),
        months.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()), time.hours().count(),
        time.minutes().count(), time.seconds().count());
}

std::string format_chunk_head(std::size_t bytes) {
    expects(bytes > 0, "response_head: a chunk without bytes ends the body");
    return fmt::format("{:x}\r\n", bytes);
}

} // namespace prooftrack::api
