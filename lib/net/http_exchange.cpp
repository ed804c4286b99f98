#include "net/http_exchange.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>

#include "net/bounded_body.hpp"
#include "net/deadline.hpp"

namespace prooftrack {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

using reply_parser = http::response_parser<bounded_body>;

constexpr int max_interim_replies = 8;
constexpr std::size_t read_at_once = 16 * 1024;

bool equal_without_case(std::string_view left, std::string_view right) {
    return beast::iequals(beast::string_view(left.data(), left.size()), beast::string_view(right.data(), right.size()));
}

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Boost.Beast's words into ours; whatever the system said stays.
error_code translate_read(error_code error, bool got_a_byte) {
    const bool ended = error == http::error::end_of_stream || error == http::error::partial_message ||
                       error == asio::error::eof || error == asio::ssl::error::stream_truncated ||
                       error == asio::error::connection_reset || error == asio::error::broken_pipe;
    if (ended) return got_a_byte ? net_error::truncated_reply : net_error::closed_before_reply;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) return net_error::header_too_large;
    if (error == http::error::body_limit) return net_error::body_too_large;
    if (error.category() == http::make_error_code(http::error::bad_version).category()) return net_error::not_http;
    return error;
}

/// One exchange; lives in the frame of async_http_exchange.
class exchange {
  public:
    exchange(any_stream& stream, const http_limits& limits)
        : stream_(stream), limits_(limits), limit_(stream.get_executor()) {}

    asio::awaitable<op_result<http_reply>> run(http_request request, steady_time until) {
        result<std::string> head = format_request_head(request);
        if (head.has_error()) co_return fail(head.error(), "write request");
        limit_.start_until(until, [this] { stream_.close(); });
        error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        std::array<asio::const_buffer, 2> bytes{asio::buffer(*head), asio::const_buffer()};
        if (request.body) bytes[1] = asio::buffer(*request.body);
        co_await asio::async_write(stream_, bytes, token);
        // A peer may answer and close without reading it all: its reply is worth more than our broken pipe.
        const bool cut_off = error == asio::error::broken_pipe || error == asio::error::connection_reset;
        if ((error && !cut_off) || limit_.expired()) co_return fail(error, "write request");
        auto reading = read_reply();
        op_result<http_reply> reply = co_await std::move(reading);
        limit_.finish();
        if (reply.has_error() || !reply->keep_alive) stream_.close();
        co_return reply;
    }

  private:
    op_error fail(error_code error, std::string_view operation) {
        const error_code translated = limit_.translate(error);
        limit_.finish();
        stream_.close();
        return {translated, std::string(operation), {}};
    }

    asio::awaitable<op_result<http_reply>> read_reply() {
        for (int interim = 0; interim <= max_interim_replies; ++interim) {
            parser_.emplace();
            parser_->header_limit(static_cast<std::uint32_t>(limits_.header));
            parser_->body_limit(boost::none); // bounded_body has its own: Beast's does not count what is cut
            parser_->get().body().limit = limits_.body;
            parser_->get().body().cut = limits_.cut_long_body;
            auto reading_header = read_header();
            const error_code error = co_await std::move(reading_header);
            if (error) co_return fail(error, "read reply header");
            if (parser_->get().result_int() == 101) co_return fail(net_error::not_http, "read reply header");
            if (parser_->get().result_int() >= 200) break;
            if (interim == max_interim_replies) co_return fail(net_error::header_too_large, "read reply header");
        }
        // Beast tells the body of its length only when its first byte comes.
        const auto promised = parser_->content_length();
        if (promised && *promised > limits_.body && !limits_.cut_long_body)
            co_return fail(net_error::body_too_large, "read reply body");
        auto reading_body = read_body();
        const error_code error = co_await std::move(reading_body);
        if (error && !limits_.cut_long_body) co_return fail(error, "read reply body");
        co_return take_reply(static_cast<bool>(error));
    }

    asio::awaitable<error_code> read_header() {
        error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        const bool began = buffer_.size() > 0;
        co_await http::async_read_header(stream_, buffer_, *parser_, token);
        got_a_byte_ = got_a_byte_ || began || parser_->got_some() || buffer_.size() > 0;
        if (limit_.expired()) error = net_error::timed_out;
        if (error) error = translate_read(error, got_a_byte_);
        co_return error;
    }

    asio::awaitable<error_code> read_body() {
        error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        while (!parser_->is_done() && !parser_->get().body().was_cut && !error) {
            co_await http::async_read_some(stream_, buffer_, *parser_, token);
        }
        if (limit_.expired()) error = net_error::timed_out;
        if (error) error = translate_read(error, true);
        co_return error;
    }

    http_reply take_reply(bool incomplete) {
        auto& message = parser_->get();
        http_reply reply;
        reply.status = static_cast<int>(message.result_int());
        for (const auto& field : message) {
            const auto name = field.name_string();
            const auto value = field.value();
            reply.headers.emplace_back(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
        }
        reply.body = std::move(message.body().text);
        reply.body_was_cut = message.body().was_cut;
        reply.body_is_incomplete = incomplete;
        // Bytes behind the reply belong to no request of ours.
        reply.keep_alive = parser_->is_done() && message.keep_alive() && !reply.body_was_cut && buffer_.size() == 0;
        return reply;
    }

    any_stream& stream_;
    http_limits limits_;
    deadline limit_;
    beast::flat_buffer buffer_{read_at_once + 32 * 1024};
    std::optional<reply_parser> parser_;
    bool got_a_byte_ = false;
};

} // namespace

std::optional<std::string_view> http_reply::header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
        if (equal_without_case(key, name)) return value;
    }
    return std::nullopt;
}

result<std::string> format_request_head(const http_request& request) {
    bool bad = has_control(request.method) || has_control(request.target) || has_control(request.host) ||
               request.method.empty() || request.target.find(' ') != std::string::npos || request.host.empty();
    std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, request.host);
    for (const auto& [name, value] : request.headers) {
        bad = bad || name.empty() || has_control(name) || name.find_first_of(" :") != std::string::npos ||
              has_control(value);
        head += fmt::format("{}: {}\r\n", name, value);
    }
    if (bad) return make_error_code(net_error::bad_request);
    const bool carries_body = request.body != nullptr || (request.method != "GET" && request.method != "DELETE");
    if (carries_body) head += fmt::format("Content-Length: {}\r\n", request.body ? request.body->size() : 0);
    head += "\r\n";
    return head;
}

asio::awaitable<op_result<http_reply>> async_http_exchange(any_stream& stream, http_request request, http_limits limits,
                                                           steady_time until) {
    exchange one(stream, limits);
    auto running = one.run(std::move(request), until);
    op_result<http_reply> reply = co_await std::move(running);
    co_return reply;
}

} // namespace prooftrack
