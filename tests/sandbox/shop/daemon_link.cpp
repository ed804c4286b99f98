#include "daemon_link.hpp"

#include <array>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include "net/deadline.hpp"
#include "sandbox/as_pair.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr auto ask_timeout = seconds(30);
constexpr auto head_timeout = seconds(5);
constexpr auto silence_timeout = seconds(40); // a comment comes every 15 s
constexpr auto first_pause = milliseconds(100);
constexpr auto longest_pause = seconds(2);
constexpr std::uint64_t answer_bytes = 1U << 20U;

http::request<http::string_body> make_request(std::string_view method, std::string_view target) {
    http::request<http::string_body> request;
    request.version(11);
    request.method_string(boost::beast::string_view(method.data(), method.size()));
    request.target(boost::beast::string_view(target.data(), target.size()));
    request.set(http::field::host, "localhost");
    return request;
}

} // namespace

daemon_link::daemon_link(asio::any_io_executor loop, std::string socket_path, order_book& orders)
    : loop_(std::move(loop)), daemon_(socket_path), orders_(orders) {}

asio::awaitable<daemon_answer> daemon_link::ask(
    std::string method, std::string target, std::string body, std::string idempotency_key) {
    daemon_answer answer;
    socket_type socket(loop_);
    net::deadline limit(loop_);
    limit.start(ask_timeout, [&socket] {
        error_code ignored;
        socket.close(ignored);
    });
    auto request = make_request(method, target);
    if (!idempotency_key.empty()) request.set("Idempotency-Key", idempotency_key);
    if (!body.empty()) {
        request.set(http::field::content_type, "application/json");
        request.body() = std::move(body);
        request.prepare_payload();
    }
    const auto [unreachable] = co_await socket.async_connect(daemon_, as_pair);
    if (unreachable) co_return answer;
    const auto [unsent, sent] = co_await http::async_write(socket, request, as_pair);
    if (unsent) co_return answer;
    boost::beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(answer_bytes);
    const auto [unread, count] = co_await http::async_read(socket, buffer, parser, as_pair);
    if (unread) co_return answer;
    answer.status = static_cast<int>(parser.get().result_int());
    answer.body = std::move(parser.get().body());
    co_return answer;
}

asio::awaitable<daemon_answer> daemon_link::ask_session(std::string body, std::string idempotency_key) {
    std::string method = "POST";
    std::string target = "/v1/sessions";
    co_return co_await ask(std::move(method), std::move(target), std::move(body), std::move(idempotency_key));
}

asio::awaitable<void> daemon_link::refresh(std::string transaction) {
    std::string method = "GET";
    std::string target = "/v1/transactions/" + transaction;
    std::string nothing;
    std::string no_key;
    const auto answer = co_await ask(std::move(method), std::move(target), std::move(nothing), std::move(no_key));
    if (answer.status != 200) co_return;
    if (const auto word = parse_transaction(answer.body)) orders_.apply(*word, true);
}

asio::awaitable<void> daemon_link::refresh_all() {
    auto open = orders_.open_transactions();
    for (auto& transaction : open) co_await refresh(std::move(transaction));
}

asio::awaitable<void> daemon_link::follow() {
    asio::steady_timer timer(loop_);
    steady_duration pause = first_pause;
    for (;;) {
        const bool was_live = co_await follow_once();
        orders_.set_live(false);
        const auto cancelled = co_await asio::this_coro::cancellation_state;
        if (cancelled.cancelled() != asio::cancellation_type::none) co_return;
        if (was_live) pause = first_pause;
        timer.expires_after(pause);
        pause = std::min<steady_duration>(pause * 2, longest_pause);
        const auto [stopped] = co_await timer.async_wait(as_pair);
        if (stopped) co_return;
    }
}

asio::awaitable<bool> daemon_link::follow_once() {
    socket_type socket(loop_);
    net::deadline limit(loop_);
    const auto close = [&socket] {
        error_code ignored;
        socket.close(ignored);
    };
    limit.start(head_timeout, close);
    reader_.reset();
    auto request = make_request("GET", "/v1/events");
    request.set(http::field::accept, "text/event-stream");
    if (!last_event_id_.empty()) request.set("Last-Event-ID", last_event_id_);
    const auto [unreachable] = co_await socket.async_connect(daemon_, as_pair);
    if (unreachable) co_return false;
    const auto [unsent, sent] = co_await http::async_write(socket, request, as_pair);
    if (unsent) co_return false;
    boost::beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(boost::none);
    const auto [unread, head_bytes] = co_await http::async_read_header(socket, buffer, parser, as_pair);
    if (unread) co_return false;
    if (parser.get().result_int() != 200) {
        // 410: the cursor is gone. The states themselves are asked for after the next head.
        last_event_id_.clear();
        co_return false;
    }
    orders_.set_live(true);
    // Whatever ended while nobody listened, and without a cursor nobody would tell.
    limit.start(ask_timeout * 2, close);
    co_await refresh_all();
    std::array<char, 16'384> piece{};
    const auto on_event = [this](std::string_view id, std::string_view data) {
        if (!id.empty()) last_event_id_ = id;
        if (const auto word = parse_event(data)) orders_.apply(*word, false);
    };
    while (!parser.is_done()) {
        parser.get().body().data = piece.data();
        parser.get().body().size = piece.size();
        limit.start(silence_timeout, close);
        const auto [error, count] = co_await http::async_read_some(socket, buffer, parser, as_pair);
        if (error && error != http::error::need_buffer) break;
        const std::string_view got(piece.data(), piece.size() - parser.get().body().size);
        if (!reader_.feed(got, on_event)) break;
    }
    co_return true;
}

} // namespace prooftrack::sandbox
