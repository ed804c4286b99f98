#include "http1_reply.hpp"

#include <fmt/format.h>

namespace prooftrack::sandbox {
namespace {

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

std::function<bool(std::string&)> endless_header() {
    return [sent = std::uint64_t{0}](std::string& out) mutable {
        out += "X-Endless: " + std::string(4'000, 'x') + "\r\n";
        sent += 4'000;
        return sent < endless_bytes;
    };
}

/// Turns pieces of a body into HTTP chunks, the last one included.
std::function<bool(std::string&)> as_chunks(std::string first, std::function<bool(std::string&)> more) {
    return [piece = std::move(first), more = std::move(more)](std::string& out) mutable {
        const bool goes_on = more(piece);
        if (!piece.empty()) fmt::format_to(std::back_inserter(out), "{:x}\r\n{}\r\n", piece.size(), piece);
        if (!goes_on) out += "0\r\n\r\n";
        piece.clear();
        return goes_on;
    };
}

} // namespace

http1_plan make_http1_plan(reply_plan plan, const incoming_request& request) {
    http1_plan made;
    made.delay = plan.delay;
    if (plan.served) made.bytes = format_reply(plan.answer, request, plan.request_id);
    if (plan.answer.more && request.method != "HEAD") {
        made.more = plan.answer.length ? std::move(plan.answer.more)
                                       : as_chunks(std::move(plan.answer.body), std::move(plan.answer.more));
    }
    if (!plan.struck) return made;
    const fault& what = *plan.struck;
    switch (what.kind) {
    case fault_kind::close:
    case fault_kind::truncate:
        made.bytes = cut(std::move(made.bytes), what.point());
        made.then = http1_plan::ending::close;
        break;
    case fault_kind::stall:
        made.bytes = cut(std::move(made.bytes), what.point());
        made.then = http1_plan::ending::stall;
        made.stall_for = what.time();
        break;
    case fault_kind::garbage:
        made.bytes = std::string(garbage_bytes);
        made.then = http1_plan::ending::close;
        break;
    case fault_kind::drip:
        made.drip = what.time();
        break;
    case fault_kind::endless_header:
        made.bytes = "HTTP/1.1 200 OK\r\n";
        made.more = endless_header();
        made.then = http1_plan::ending::close;
        break;
    default: // about the answer itself, about connections, or HTTP/2's alone
        break;
    }
    return made;
}

} // namespace prooftrack::sandbox
