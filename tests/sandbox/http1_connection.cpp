#include "http1_connection.hpp"

#include <algorithm>

#include <boost/asio/use_awaitable.hpp>

#include "as_pair.hpp"
#include "base/result.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto idle_timeout = seconds(120);
constexpr auto goodbye_timeout = seconds(1);
constexpr std::size_t buffer_bytes = 64U << 10U;
constexpr std::size_t read_bytes = 16U << 10U;
constexpr std::uint32_t header_bytes = 16U << 10U;
constexpr std::size_t flush_bytes = 128U << 10U;

steady_time from_now(seconds wait) { return std::chrono::steady_clock::now() + wait; }

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

} // namespace

http1_connection::http1_connection(tls_link& link, site& served) : link_(link), site_(served), buffer_(buffer_bytes) {}

asio::awaitable<void> http1_connection::run() {
    bool open = true;
    while (open && !(finishing_ && buffer_.size() == 0 && !parser_)) {
        const auto outcome = parse();
        if (outcome == parse_outcome::request) {
            auto plan = answer();
            parser_.reset();
            const bool plain =
                plan.delay == milliseconds(0) && !plan.more && !plan.drip && plan.then == http1_plan::ending::as_asked;
            if (plain) {
                out_ += plan.bytes;
                open = keep_alive_;
                if (open && out_.size() > flush_bytes) open = co_await link_.write(out_);
            } else {
                open = co_await perform(std::move(plan));
            }
        } else if (outcome == parse_outcome::need_more) {
            open = co_await link_.write(out_);
            if (open) open = co_await read_more();
        } else {
            open = false;
        }
    }
    const bool flushed = co_await link_.write(out_);
    if (flushed) co_await link_.say_goodbye();
    link_.close();
}

void http1_connection::finish() {
    finishing_ = true;
    if (waits_for_request_) link_.close();
}

http1_connection::parse_outcome http1_connection::parse() {
    if (!parser_) {
        if (buffer_.size() == 0) return parse_outcome::need_more;
        parser_.emplace();
        parser_->header_limit(header_bytes);
        parser_->body_limit(boost::none); // set once the target is known
        body_begun_ = false;
    }
    while (!parser_->is_done()) {
        if (buffer_.size() == 0) return parse_outcome::need_more;
        error_code error;
        const auto consumed = parser_->put(buffer_.data(), error);
        buffer_.consume(consumed);
        if (parser_->is_header_done() && !body_begun_ && (!error || error == http::error::need_more)) {
            if (begin_body() == parse_outcome::refused) return parse_outcome::refused;
            continue;
        }
        if (error == http::error::need_more) return parse_outcome::need_more;
        if (error) {
            refuse(error == http::error::header_limit ? 431 : error == http::error::body_limit ? 413 : 400);
            return parse_outcome::refused;
        }
    }
    return parse_outcome::request;
}

http1_connection::parse_outcome http1_connection::begin_body() {
    body_begun_ = true;
    const auto& head = parser_->get();
    const auto limit = site_.body_limit(view(head.target()));
    parser_->body_limit(limit);
    parser_->eager(true);
    if (const auto length = parser_->content_length(); length && *length > limit) {
        refuse(413);
        return parse_outcome::refused;
    }
    const auto expect = head.find(http::field::expect);
    if (expect != head.end() && boost::beast::iequals(expect->value(), "100-continue") && buffer_.size() == 0) {
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
    }
    return parse_outcome::need_more;
}

http1_plan http1_connection::answer() {
    const auto& message = parser_->get();
    incoming_request request;
    request.method = view(message.method_string());
    request.target = view(message.target());
    request.authorization = view(message[http::field::authorization]);
    request.body = message.body();
    request.keep_alive = message.keep_alive() && !finishing_;
    request.arrival = last_read_;
    keep_alive_ = request.keep_alive;
    return make_http1_plan(site_.answer(request), request);
}

void http1_connection::refuse(int status) {
    incoming_request nothing;
    nothing.keep_alive = false;
    nothing.arrival = last_read_;
    out_ += format_reply(make_refusal(status), nothing, "none");
}

asio::awaitable<bool> http1_connection::read_more() {
    const std::size_t room = std::min(read_bytes, buffer_.max_size() - buffer_.size());
    const auto space = buffer_.prepare(room);
    link_.set_deadline(from_now(idle_timeout));
    waits_for_request_ = !parser_;
    if (waits_for_request_ && finishing_) co_return false;
    const auto [error, count] = co_await link_.stream().async_read_some(space, as_pair);
    waits_for_request_ = false;
    if (error) co_return false;
    buffer_.commit(count);
    last_read_ = {std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
    co_return true;
}

asio::awaitable<bool> http1_connection::perform(http1_plan plan) {
    if (plan.delay > milliseconds(0)) {
        const steady_time when = last_read_.steady + plan.delay;
        const bool flushed = co_await link_.write(out_); // earlier answers of the pipeline are not held back
        if (!flushed) co_return false;
        const bool waited = co_await wait_until(when);
        if (!waited) co_return false;
    }
    if (plan.drip) {
        const bool flushed = co_await link_.write(out_);
        if (!flushed) co_return false;
        std::string bytes = std::move(plan.bytes);
        const milliseconds apart = *plan.drip;
        const bool dripped = co_await drip(std::move(bytes), apart);
        if (!dripped) co_return false;
    } else {
        out_ += plan.bytes;
    }
    bool more = static_cast<bool>(plan.more);
    while (more) {
        more = plan.more(out_);
        const bool flushed = co_await link_.write(out_);
        if (!flushed) co_return false;
    }
    if (plan.then == http1_plan::ending::as_asked) co_return keep_alive_;
    const bool flushed = co_await link_.write(out_);
    const milliseconds limit = plan.stall_for;
    if (flushed && plan.then == http1_plan::ending::stall) co_await stall(limit);
    link_.close();
    co_return false;
}

asio::awaitable<bool> http1_connection::drip(std::string bytes, milliseconds apart) {
    for (char byte : bytes) {
        out_ += byte;
        const bool flushed = co_await link_.write(out_);
        if (!flushed) co_return false;
        const steady_time when = std::chrono::steady_clock::now() + apart;
        const bool waited = co_await wait_until(when);
        if (!waited) co_return false;
    }
    co_return true;
}

asio::awaitable<bool> http1_connection::wait_until(steady_time when) {
    link_.set_deadline(when + goodbye_timeout * 5);
    link_.timer().expires_at(when);
    const auto [error] = co_await link_.timer().async_wait(as_pair);
    co_return !error;
}

asio::awaitable<void> http1_connection::stall(milliseconds limit) {
    link_.set_deadline(std::chrono::steady_clock::now() + limit);
    std::string ignored(1'024, '\0');
    const auto space = asio::buffer(ignored);
    for (bool open = true; open;) {
        // A client that gives up is noticed by its close.
        const auto [error, count] = co_await link_.stream().async_read_some(space, as_pair);
        open = !error;
    }
}

} // namespace prooftrack::sandbox
