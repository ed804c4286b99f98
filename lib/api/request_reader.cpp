#include "api/request_reader.hpp"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "api/problem.hpp"

namespace prooftrack {
namespace {

namespace http = boost::beast::http;

/// A chunk's own line, or the trailer, may not be longer.
constexpr std::size_t max_chunk_header = max_header_bytes;

} // namespace

request_reader::step request_reader::next() {
    switch (state_) {
    case state::before: {
        // A line break between requests is let pass (RFC 9112, 2.2).
        input_.erase(0, input_.find_first_not_of("\r\n"));
        if (input_.empty()) {
            input_.shrink_to_fit();
            return step::idle;
        }
        parser_.emplace();
        parser_->header_limit(max_header_bytes);
        parser_->body_limit(boost::none); // ours is checked when the route is known
        parser_->eager(false);
        state_ = state::in_head;
        return next_head();
    }
    case state::in_head:
        return next_head();
    case state::at_head:
        return step::head;
    case state::in_body:
        return next_body();
    case state::done:
        return step::whole;
    case state::failed:
        return step::refused;
    }
    return step::refused;
}

boost::system::error_code request_reader::put() {
    boost::system::error_code error;
    const std::size_t used = parser_->put(boost::asio::const_buffer(input_.data(), input_.size()), error);
    input_.erase(0, used);
    return error;
}

request_reader::step request_reader::next_head() {
    const auto error = put();
    if (error == http::error::need_more) return step::more;
    if (error == http::error::header_limit) {
        return refuse(problem_code::header_too_large, "a request's header is at most 16 KiB");
    }
    if (error)
        return refuse(problem_code::invalid_request, fmt::format("not an HTTP/1.1 request: {}", error.message()));
    read_head();
    state_ = state::at_head;
    return step::head;
}

void request_reader::read_head() {
    const auto& message = parser_->get();
    const auto field = [&message](http::field name) { return std::string(message[name]); };
    head_ = {};
    head_.method = std::string(message.method_string());
    head_.target = std::string(message.target());
    head_.content_type = field(http::field::content_type);
    head_.accept = field(http::field::accept);
    head_.last_event_id = std::string(message["Last-Event-ID"]);
    if (const auto key = message.find("Idempotency-Key"); key != message.end()) {
        head_.idempotency_key = std::string(key->value());
    }
    head_.http_1_0 = message.version() < 11;
    content_length_.reset();
    if (const auto length = parser_->content_length()) content_length_ = *length;
    head_.has_body = parser_->chunked() || content_length_.value_or(0) > 0;
    expects_continue_ = !head_.http_1_0 && boost::beast::iequals(message[http::field::expect], "100-continue");
    keep_alive_ = message.keep_alive();
}

void request_reader::accept_body(std::size_t limit) {
    body_limit_ = limit;
    if (content_length_.value_or(0) > limit) {
        refuse(problem_code::too_large, fmt::format("a body is at most {} bytes here", limit));
        return;
    }
    parser_->body_limit(limit);
    parser_->eager(true);
    state_ = parser_->is_done() ? state::done : state::in_body;
}

request_reader::step request_reader::next_body() {
    const auto error = put();
    if (parser_->is_done() && !error) {
        state_ = state::done;
        return step::whole;
    }
    if (error == http::error::body_limit) {
        return refuse(problem_code::too_large, fmt::format("a body is at most {} bytes here", body_limit_));
    }
    if (error && error != http::error::need_more) {
        return refuse(problem_code::invalid_request,
                      fmt::format("the body is not framed as HTTP/1.1: {}", error.message()));
    }
    if (input_.size() > max_chunk_header) {
        return refuse(problem_code::invalid_request, "a chunk's header is too long");
    }
    return step::more;
}

request_reader::step request_reader::refuse(problem_code code, std::string detail) {
    refusal_ = make_problem(code, std::move(detail));
    state_ = state::failed;
    input_.clear();
    parser_.reset();
    return step::refused;
}

std::string request_reader::take_body() { return std::move(parser_->get().body()); }

void request_reader::begin_next() {
    parser_.reset();
    state_ = state::before;
}

} // namespace prooftrack
