// What each kind of fault makes of an answer.

#include <algorithm>

#include "proof_site.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view not_http = "\x16\x03\x01 this is not HTTP \x00\xff\r\n\r\n{\"status\":\"completed\"}";
constexpr std::size_t filler_bytes = 64U << 10U;
constexpr std::uint64_t endless_bytes = 64U << 20U;

/// The part of a whole reply that is sent before the fault strikes.
std::string cut(std::string bytes, fault_point at) {
    const auto head = bytes.find("\r\n\r\n") + 4;
    switch (at) {
    case fault_point::before:
        return {};
    case fault_point::header:
        return bytes.substr(0, head / 2);
    case fault_point::body:
        return bytes.substr(0, head + (bytes.size() - head) / 2);
    case fault_point::after:
        return bytes;
    }
    return bytes;
}

/// `count` bytes of filler in pieces, then `tail`.
std::function<bool(std::string&)> filler(std::uint64_t count, std::string tail) {
    return [count, tail = std::move(tail)](std::string& out) mutable {
        const auto piece = std::min<std::uint64_t>(count, filler_bytes);
        out.append(piece, 'x');
        count -= piece;
        if (count > 0) return true;
        out += tail;
        return false;
    };
}

std::function<bool(std::string&)> endless_header() {
    return [sent = std::uint64_t{0}](std::string& out) mutable {
        out += "X-Endless: " + std::string(4'000, 'x') + "\r\n";
        sent += 4'000;
        return sent < endless_bytes;
    };
}

/// The right reply made as long as asked, still well formed.
reply_plan make_huge(reply made, std::uint64_t size, const incoming_request& request, std::string_view request_id) {
    const std::string opening = R"(,"padding":")";
    const std::string closing = R"("})";
    if (made.body.ends_with('}')) made.body.pop_back();
    made.body += opening;
    const std::uint64_t fixed = made.body.size() + closing.size();
    const std::uint64_t padding = size > fixed ? size - fixed : 0;
    const std::string start = made.body;
    made.body.clear();
    // The head is made for a body that is never held in memory.
    made.headers.emplace_back("Content-Length", std::to_string(fixed + padding));
    auto head = format_reply(made, request, request_id);
    const std::string_view empty_length = "Content-Length: 0\r\n";
    head.erase(head.rfind(empty_length), empty_length.size());
    reply_plan plan;
    plan.bytes = head + start;
    plan.more = filler(padding, closing);
    return plan;
}

} // namespace

reply_plan proof_site::strike(
    const fault& what, const incoming_request& request, const std::string& request_id, int& status) {
    reply_plan plan;
    const auto serve_bytes = [&](bool wrong_id) {
        const auto made = serve(request, request_id, wrong_id);
        status = made.status;
        return format_reply(made, request, request_id);
    };
    switch (what.kind) {
    case fault_kind::status: {
        auto made = refuse(documented_failure(what.http_status), request_id);
        made.status = what.http_status;
        if (what.http_status < 300) made.body = "{}";
        if (what.body) made.body = *what.body;
        if (!what.retry_after.empty()) made.headers.emplace_back("Retry-After", what.retry_after);
        if (what.retry_after_date) {
            made.headers.emplace_back("Retry-After", format_http_date(request.arrival.wall + *what.retry_after_date));
        }
        made.headers.insert(made.headers.end(), what.headers.begin(), what.headers.end());
        status = what.http_status;
        plan.bytes = format_reply(made, request, request_id);
        break;
    }
    case fault_kind::close:
        if (what.at.value_or(fault_point::before) != fault_point::before)
            plan.bytes = cut(serve_bytes(false), *what.at);
        plan.then = reply_plan::ending::close;
        break;
    case fault_kind::truncate:
        plan.bytes = cut(serve_bytes(false), fault_point::body);
        plan.then = reply_plan::ending::close;
        break;
    case fault_kind::garbage:
        plan.bytes = std::string(not_http);
        plan.then = reply_plan::ending::close;
        break;
    case fault_kind::wrong_id:
        plan.bytes = serve_bytes(true);
        break;
    case fault_kind::huge: {
        auto made = serve(request, request_id, false);
        status = made.status;
        plan = make_huge(std::move(made), what.size, request, request_id);
        break;
    }
    case fault_kind::stall:
        if (what.at.value_or(fault_point::body) != fault_point::before) {
            plan.bytes = cut(serve_bytes(false), what.at.value_or(fault_point::body));
        }
        plan.then = reply_plan::ending::stall;
        if (what.delay) plan.stall_for = *what.delay;
        break;
    case fault_kind::drip:
        plan.bytes = serve_bytes(false);
        plan.drip = what.delay.value_or(milliseconds(100));
        break;
    case fault_kind::endless_header:
        plan.bytes = "HTTP/1.1 200 OK\r\n";
        plan.more = endless_header();
        plan.then = reply_plan::ending::close;
        break;
    case fault_kind::delay:
    case fault_kind::refuse:
        break;
    }
    return plan;
}

} // namespace prooftrack::sandbox
