#include "api/request_reader.hpp"

#include <algorithm>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

#include "api/problem.hpp"
#include "base/expects.hpp"
#include "base/traceparent.hpp"

namespace prooftrack::api {
namespace {

namespace http = boost::beast::http;

/// What an idle connection keeps for its next request; thousands may be idle.
constexpr std::size_t kept_capacity = 1024;

} // namespace

request_reader::step request_reader::next() {
    switch (state_) {
    case state::before: {
        // A line break between requests is let pass (RFC 9112, 2.2).
        input_.erase(0, input_.find_first_not_of("\r\n"));
        if (input_.empty()) {
            if (input_.capacity() > kept_capacity) input_.shrink_to_fit();
            return step::idle;
        }
        parser_.emplace();
        parser_->header_limit(max_header_bytes + 1); // ours comes first
        parser_->body_limit(boost::none);            // ours is checked when the route is known
        parser_->eager(false);
        scanned_ = 0;
        state_ = state::in_head;
        return next_head();
    }
    case state::in_head:
        return next_head();
    case state::at_head:
        return step::head;
    case state::in_body:
        return next_body();
    case state::in_skipped:
        if (const std::size_t dropped = std::min(input_.size(), to_skip_); dropped > 0) {
            input_.erase(0, dropped);
            to_skip_ -= dropped;
        }
        if (to_skip_ > 0) return step::more;
        begin_next();
        return next();
    case state::done:
        return step::whole;
    case state::failed:
        return step::refused;
    }
    return step::refused;
}

std::optional<std::size_t> request_reader::find_head_end() {
    const std::size_t bound = std::min(input_.size(), max_header_bytes);
    for (std::size_t at = input_.find('\n', scanned_); at < bound; at = input_.find('\n', at + 1)) {
        scanned_ = at + 1;
        if (at == 0 || input_[at - 1] != '\r') {
            refuse(problem_code::invalid_request, "not an HTTP/1.1 request: its lines end with CR LF");
            return std::nullopt;
        }
        if (at >= 3 && input_.compare(at - 3, 4, "\r\n\r\n") == 0) return at + 1;
    }
    scanned_ = bound;
    if (input_.size() >= max_header_bytes) {
        refuse(problem_code::header_too_large, "a request's header is at most 16 KiB");
    }
    return std::nullopt;
}

request_reader::step request_reader::next_head() {
    // The parser gets the header whole: what it says about a part would depend on how the bytes are cut.
    const auto end = find_head_end();
    if (!end) return state_ == state::failed ? step::refused : step::more;
    boost::system::error_code error;
    const std::size_t used = parser_->put(boost::asio::const_buffer(input_.data(), *end), error);
    if (error || used != *end) {
        const std::string why = error ? error.message() : "its header ends early";
        return refuse(problem_code::invalid_request, fmt::format("not an HTTP/1.1 request: {}", why));
    }
    input_.erase(0, used);
    if (parser_->get().count(http::field::transfer_encoding) > 0 && !parser_->chunked()) {
        return refuse(problem_code::invalid_request, "Transfer-Encoding is chunked, or not there");
    }
    read_head();
    state_ = state::at_head;
    return step::head;
}

void request_reader::read_head() {
    const auto& message = parser_->get();
    const auto field = [&message](http::field name) { return std::string(message[name]); };
    // A list may be cut into several lines (RFC 9110, 5.3).
    const auto all_of = [&message](http::field name) {
        std::string values;
        const auto [first, last] = message.equal_range(name);
        for (auto each = first; each != last; ++each) {
            if (!values.empty()) values += ", ";
            values += std::string_view(each->value());
        }
        return values;
    };
    head_ = {};
    head_.method = std::string(message.method_string());
    head_.target = std::string(message.target());
    head_.content_type = field(http::field::content_type);
    head_.content_encoding = all_of(http::field::content_encoding);
    head_.accept = all_of(http::field::accept);
    head_.last_event_id = std::string(message["Last-Event-ID"]);
    if (const auto key = message.find("Idempotency-Key"); key != message.end()) {
        head_.idempotency_key = std::string(key->value());
    }
    if (message.count("traceparent") == 1) head_.traceparent = read_traceparent(std::string(message["traceparent"]));
    head_.http_1_0 = message.version() < 11;
    content_length_.reset();
    if (const auto length = parser_->content_length()) content_length_ = *length;
    head_.has_body = parser_->chunked() || content_length_.value_or(0) > 0;
    expects_continue_ = !head_.http_1_0 && boost::beast::iequals(message[http::field::expect], "100-continue");
    keep_alive_ = message.keep_alive();
}

void request_reader::accept_body(std::size_t limit, std::string_view advice) {
    expects(state_ == state::at_head, "request_reader: a body without its header");
    body_limit_ = limit;
    length_advice_ = advice;
    if (content_length_.value_or(0) > limit) {
        refuse_length();
        return;
    }
    body_.clear();
    if (head_.has_body && !content_length_) chunks_.emplace(net::chunk_rules{.body = limit});
    state_ = head_.has_body ? state::in_body : state::done;
}

void request_reader::skip_body() {
    expects(state_ == state::at_head, "request_reader: a body without its header");
    expects(!head_.has_body || content_length_, "request_reader: nobody knows where a body of chunks ends");
    begin_next();
    to_skip_ = static_cast<std::size_t>(content_length_.value_or(0));
    if (to_skip_ > 0) state_ = state::in_skipped;
}

request_reader::step request_reader::next_body() {
    if (!chunks_) {
        const std::size_t taken = std::min(input_.size(), static_cast<std::size_t>(*content_length_) - body_.size());
        body_.append(input_, 0, taken);
        input_.erase(0, taken);
        if (body_.size() < *content_length_) return step::more;
        state_ = state::done;
        return step::whole;
    }
    input_.erase(0, chunks_->feed(input_, body_));
    switch (chunks_->fault()) {
    case net::chunk_fault::none:
        if (!chunks_->is_done()) return step::more;
        state_ = state::done;
        return step::whole;
    case net::chunk_fault::malformed:
    case net::chunk_fault::lines_too_long:
        return refuse(
            problem_code::invalid_request,
            "the body is not framed as HTTP/1.1: a chunk is malformed or its header too long");
    case net::chunk_fault::body_too_large:
        return refuse_length();
    }
    return step::refused;
}

request_reader::step request_reader::refuse_length() {
    return refuse(
        problem_code::too_large,
        fmt::format(
            "a body is at most {} bytes here{}{}", body_limit_, length_advice_.empty() ? "" : ": ", length_advice_));
}

request_reader::step request_reader::refuse(problem_code code, std::string detail) {
    refusal_ = make_problem(code, std::move(detail));
    state_ = state::failed;
    input_.clear();
    parser_.reset();
    chunks_.reset();
    body_ = {};
    return step::refused;
}

std::string request_reader::take_body() {
    expects(state_ == state::done, "request_reader: a body that is not whole");
    return std::move(body_);
}

void request_reader::begin_next() {
    parser_.reset();
    chunks_.reset();
    body_ = {};
    state_ = state::before;
}

} // namespace prooftrack::api
