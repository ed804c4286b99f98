#include "reply.hpp"

#include <array>

#include <boost/beast/http/status.hpp>
#include <boost/url/params_view.hpp>
#include <boost/url/parse_query.hpp>
#include <fmt/format.h>

namespace prooftrack::sandbox {

std::optional<std::string> incoming_request::query(std::string_view name) const {
    const auto mark = target.find('?');
    if (mark == std::string_view::npos) return std::nullopt;
    // A copy: parse_query of Boost 1.81 looks for a terminating zero.
    const std::string text(target.substr(mark + 1));
    const auto parsed = boost::urls::parse_query(text);
    if (!parsed) return std::nullopt;
    for (const auto& parameter : boost::urls::params_view(*parsed)) {
        if (std::string_view(parameter.key) == name) return std::string(parameter.value);
    }
    return std::nullopt;
}

std::string format_reply(const reply& what, const incoming_request& request, std::string_view request_id) {
    const auto reason = boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(what.status));
    std::string out;
    out.reserve(320 + what.body.size());
    fmt::format_to(
        std::back_inserter(out), "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Request-Id: {}\r\n", what.status,
        std::string_view(reason.data(), reason.size()), format_http_date(request.arrival.wall), request_id);
    bool own_type = false;
    for (const auto& [name, value] : what.headers) {
        own_type = own_type || name == "Content-Type";
        fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
    }
    const bool has_body = what.has_body();
    if (has_body && !own_type) fmt::format_to(std::back_inserter(out), "Content-Type: {}\r\n", what.content_type);
    if (!request.keep_alive) out += "Connection: close\r\n";
    if (what.more && !what.length) {
        out += "Transfer-Encoding: chunked\r\n\r\n";
        return out;
    }
    if (has_body) {
        const std::uint64_t length = what.length.value_or(what.body.size());
        fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", length);
    }
    out += "\r\n";
    if (has_body && request.method != "HEAD") out += what.body;
    return out;
}

reply make_refusal(int status) {
    reply made;
    made.status = status;
    made.body = R"({"error":"invalid_request","message":"This is not an acceptable HTTP request"})";
    return made;
}

std::string format_http_date(wall_time when) {
    static constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    // Asked for with every reply: the text of the current second is kept.
    static std::int64_t kept_second = -1;
    static std::string kept;
    const auto second = std::chrono::floor<seconds>(when);
    if (second.time_since_epoch().count() == kept_second) return kept;
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(second - day);
    kept_second = second.time_since_epoch().count();
    kept = fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", weekdays[std::chrono::weekday(day).c_encoding()],
        static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), time.hours().count(), time.minutes().count(), time.seconds().count());
    return kept;
}

void append_json(std::string& out, std::string_view text) {
    out += '"';
    for (char c : text) {
        switch (c) {
        case '"':
            out += "\\\"";
            break;
        case '\\':
            out += "\\\\";
            break;
        default:
            if (static_cast<unsigned char>(c) < 0x20U || c == 0x7f) {
                fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
            } else {
                out += c;
            }
        }
    }
    out += '"';
}

} // namespace prooftrack::sandbox
