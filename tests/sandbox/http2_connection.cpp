#include "http2_connection.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "as_pair.hpp"
#include "base/result.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;

constexpr std::size_t flush_bytes = 128U << 10U;

instant read_clocks() {
    return {std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
}

} // namespace

http2_connection::http2_connection(tls_link& link, site& served) : link_(link), session_(served, read_clocks()) {}

asio::awaitable<void> http2_connection::run() {
    using namespace asio::experimental::awaitable_operators;
    return read_all() && write_all();
}

asio::awaitable<void> http2_connection::read_all() {
    const auto space = asio::buffer(read_);
    for (bool open = true; open;) {
        const auto [error, count] = co_await link_.stream().async_read_some(space, as_pair);
        open = !error;
        if (open) session_.receive({read_.data(), count}, read_clocks());
        wake();
    }
    reading_ended_ = true;
    wake();
}

asio::awaitable<void> http2_connection::write_all() {
    for (bool open = true; open;) {
        session_.advance(std::chrono::steady_clock::now());
        session_.produce(out_, flush_bytes);
        if (!out_.empty()) {
            is_writing_ = true;
            open = co_await link_.write(out_);
            is_writing_ = false;
        } else if (session_.is_over() || reading_ended_) {
            open = false;
        } else {
            link_.timer().expires_at(session_.next_due());
            co_await link_.timer().async_wait(as_pair); // ends early when something came
        }
    }
    is_writing_ = true;
    if (session_.current_phase() != http2_session::phase::cut) co_await link_.say_goodbye();
    co_await link_.drain(); // HTTP/2 clients send unasked: their SETTINGS's ACK, for one, may be unread
    link_.close();
}

void http2_connection::wake() { link_.timer().cancel(); }

void http2_connection::sweep(instant now) {
    session_.sweep(now);
    if (is_writing_) {
        link_.close_if_late(now.steady);
    } else if (session_.is_idle(now.steady)) {
        link_.close();
    } else if (session_.has_output()) {
        wake();
    }
}

void http2_connection::finish() {
    session_.finish();
    wake();
}

} // namespace prooftrack::sandbox
