#include "net/http_exchange.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/string.hpp>

#include "base/expects.hpp"
#include "net/deadline.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t read_at_once = 16 * 1024;
/// Of what an idle connection has to say; a peer that sends faster than that is not listened to.
constexpr int most_looks = 16;

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

bool is_cut_off(error_code error) {
    return error == asio::error::broken_pipe || error == asio::error::connection_reset;
}

bool is_end(error_code error) {
    return error == asio::error::eof || error == asio::ssl::error::stream_truncated || is_cut_off(error);
}

/// One exchange; lives in the frame of async_http_exchange.
class exchange {
  public:
    exchange(http_connection& connection, const http_limits& limits, reply_wait wait)
        : connection_(connection), stream_(connection.stream()), reader_(limits), wait_(wait),
          limit_(stream_.get_executor()) {}

    asio::awaitable<op_result<http_reply>> run(http_request request, steady_time until) {
        result<std::string> formatted = format_request_head(request);
        if (formatted.has_error()) co_return fail(formatted.error(), "write request");
        const secret head(std::move(*formatted)); // it may hold secret headers
        limit_.start_until(until, [this] { stream_.close(); });
        error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        std::array<asio::const_buffer, 2> bytes{asio::buffer(head.reveal()), asio::const_buffer()};
        if (request.body) bytes[1] = asio::buffer(*request.body);
        co_await asio::async_write(stream_, bytes, token);
        // A peer may answer and close without reading it all: its reply is worth more than our broken pipe.
        is_usable_ = !error;
        if ((error && !is_cut_off(error)) || limit_.expired()) co_return fail(error, "write request");
        auto reading = read_reply();
        error = co_await std::move(reading);
        if (!reader_.has_status()) co_return fail(error, "read reply");
        limit_.finish();
        settle(error);
        co_return reader_.take_reply();
    }

  private:
    op_error fail(error_code error, std::string_view operation) {
        const error_code translated = limit_.translate(error);
        limit_.finish();
        stream_.close();
        return {translated, std::string(operation), {}};
    }

    bool has_enough() const {
        if (reader_.is_over()) return true;
        if (wait_ == reply_wait::whole || !reader_.has_status()) return false;
        const int status = reader_.reply().status;
        return reader_.has_head() || (status >= 200 && status < 300);
    }

    asio::awaitable<error_code> read_reply() {
        error_code error;
        auto token = asio::redirect_error(asio::use_awaitable, error);
        while (!has_enough()) {
            const auto room = asio::buffer(chunk_);
            const std::size_t size = co_await stream_.async_read_some(room, token);
            if (error) break;
            const std::size_t taken = reader_.feed(std::string_view(chunk_.data(), size));
            is_usable_ = is_usable_ && taken == size; // bytes behind the reply belong to no request of ours
        }
        if (!error) co_return reader_.fault();
        if (!is_end(error)) co_return error;
        reader_.finish(error == asio::error::eof);
        const bool is_stale = reader_.is_untouched();
        co_return make_error_code(is_stale ? net_error::closed_before_reply : net_error::truncated_reply);
    }

    /// Keeps the connection for another exchange, or closes it.
    void settle(error_code error) {
        const bool goes_on = !reader_.is_over() || reader_.reply().keep_alive;
        if (error || !is_usable_ || !goes_on) return stream_.close();
        if (!reader_.is_over()) connection_.expect(reader_);
    }

    http_connection& connection_;
    any_stream& stream_;
    reply_reader reader_;
    reply_wait wait_;
    deadline limit_;
    std::array<char, read_at_once> chunk_{};
    bool is_usable_ = true;
};

} // namespace

void http_connection::close() {
    rest_.reset();
    stream_.close();
}

http_connection::readiness http_connection::look() {
    const readiness found = stream_.is_open() ? read_ahead() : readiness::spent;
    if (found == readiness::spent) close();
    return found;
}

http_connection::readiness http_connection::read_ahead() {
    std::array<char, 4096> bytes{};
    for (int looks = 0; looks < most_looks; ++looks) {
        error_code error;
        const std::size_t size = stream_.read_available(bytes.data(), bytes.size(), error);
        if (error == asio::error::would_block || error == asio::error::try_again)
            return rest_ ? readiness::busy : readiness::ready;
        if (error || !rest_) return readiness::spent;
        const std::size_t taken = rest_->feed(std::string_view(bytes.data(), size));
        if (!rest_->is_over()) continue;
        if (taken < size || !rest_->reply().keep_alive) return readiness::spent;
        rest_.reset();
    }
    return readiness::spent;
}

result<std::string> format_request_head(const http_request& request) {
    bool bad = has_control(request.method) || has_control(request.target) || has_control(request.host) ||
               request.method.empty() || request.target.find(' ') != std::string::npos || request.host.empty();
    std::string head;
    // Room for all of it at once: growing would leave copies of secrets behind.
    std::size_t room = request.method.size() + request.target.size() + request.host.size() + 128;
    for (const auto& [name, value] : request.headers) room += name.size() + value.size() + 4;
    for (const auto& [name, value] : request.secret_headers) room += name.size() + value.reveal().size() + 4;
    head.reserve(room);
    head += fmt::format("{} {} HTTP/1.1\r\nHost: {}\r\n", request.method, request.target, request.host);
    const auto add = [&](std::string_view name, std::string_view value) {
        expects(
            !boost::beast::iequals(name, "Host") && !boost::beast::iequals(name, "Content-Length"),
            "http_exchange: a header that is written from the fields");
        bad = bad || name.empty() || has_control(name) || name.find_first_of(" :") != std::string::npos ||
              has_control(value);
        head.append(name).append(": ").append(value).append("\r\n");
    };
    for (const auto& [name, value] : request.headers) add(name, value);
    for (const auto& [name, value] : request.secret_headers) add(name, value.reveal());
    if (bad) return make_error_code(net_error::bad_request);
    const bool carries_body = request.body != nullptr || (request.method != "GET" && request.method != "DELETE");
    if (carries_body) head += fmt::format("Content-Length: {}\r\n", request.body ? request.body->size() : 0);
    head += "\r\n";
    return head;
}

asio::awaitable<op_result<http_reply>> async_http_exchange(
    http_connection& connection, http_request request, http_limits limits, reply_wait wait, steady_time until) {
    exchange one(connection, limits, wait);
    auto running = one.run(std::move(request), until);
    op_result<http_reply> reply = co_await std::move(running);
    co_return reply;
}

} // namespace prooftrack::net
