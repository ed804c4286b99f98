#include "shop_server.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>

#include "assets.hpp"
#include "net/deadline.hpp"
#include "sandbox/as_pair.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
using tcp = asio::ip::tcp;

constexpr std::size_t most_clients = 256;
constexpr std::uint32_t header_bytes = 16U << 10U;
constexpr std::uint64_t body_bytes = 16U << 10U;
constexpr auto idle_timeout = seconds(60);
constexpr auto write_timeout = seconds(30);
constexpr auto stream_comment = seconds(15);
constexpr auto accept_pause = milliseconds(100);
constexpr std::string_view orders_path = "/api/orders";
constexpr std::string_view events_suffix = "/events";

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string text_of(const json::value& object, std::string_view name) {
    const auto* members = object.if_object();
    const auto* member = members == nullptr ? nullptr : members->if_contains(json::string_view(name));
    const auto* text = member == nullptr ? nullptr : member->if_string();
    return text == nullptr ? std::string() : std::string(text->data(), text->size());
}

reply refuse(int status, std::string_view message) {
    reply made;
    made.status = status;
    made.body = R"({"error":)";
    append_json(made.body, message);
    made.body += '}';
    return made;
}

/// What the shop asks for in Proof's first generation. The customer "waits" is the sandbox's: only the widget moves it.
std::string format_session_request(const std::string& type, const std::string& amount, const std::string& order) {
    return fmt::format(
        R"({{"partner_user_id":"customer_17","user_email":"waits@shop.example","currency":"USDT",)"
        R"("fiat_currency":"EUR","fiat_amount":"{}","type":"{}",)"
        R"("tracking":{{"metadata":{{"order":"{}"}}}}}})",
        amount, type, order);
}

/// The order in `/api/orders/ORDER/events`; "" for another path.
std::string streamed_order(std::string_view path) {
    if (!path.starts_with(orders_path) || !path.ends_with(events_suffix)) return {};
    const auto rest = path.substr(orders_path.size());
    if (rest.size() < events_suffix.size() + 2) return {};
    return std::string(rest.substr(1, rest.size() - 1 - events_suffix.size()));
}

} // namespace

shop_server::shop_server(
    asio::any_io_executor loop, const tcp::endpoint& where, const std::string& daemon_socket, proof_site& proof)
    : acceptor_(loop), proof_(proof), daemon_(loop, daemon_socket, orders_), tasks_(loop) {
    acceptor_.open(where.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(where);
    acceptor_.listen();
    orders_.on_change = [this] {
        for (auto* watcher : watchers_) watcher->cancel();
    };
}

std::string shop_server::url() const {
    const auto where = acceptor_.local_endpoint();
    const bool v6 = where.address().is_v6();
    return fmt::format("http://{}{}{}:{}", v6 ? "[" : "", where.address().to_string(), v6 ? "]" : "", where.port());
}

void shop_server::start() {
    tasks_.spawn(accept_clients());
    tasks_.spawn(daemon_.follow());
}

void shop_server::stop() {
    error_code ignored;
    acceptor_.close(ignored);
    tasks_.cancel();
}

asio::awaitable<void> shop_server::accept_clients() {
    while (acceptor_.is_open()) {
        auto [error, socket] = co_await acceptor_.async_accept(as_pair);
        if (!acceptor_.is_open()) co_return;
        if (error) {
            asio::steady_timer pause(acceptor_.get_executor());
            pause.expires_after(accept_pause);
            co_await pause.async_wait(as_pair);
            continue;
        }
        if (clients_ < most_clients) tasks_.spawn(serve_client(std::move(socket)));
    }
}

/// A page of somebody else that found out the port may not order: only names of this machine are answered.
bool shop_server::is_own_host(std::string_view host) const {
    const auto name = host.substr(0, host.rfind(':'));
    return name == "localhost" || name == "127.0.0.1" || name == "[::1]" ||
           name == acceptor_.local_endpoint().address().to_string();
}

asio::awaitable<void> shop_server::serve_client(socket_type socket) {
    struct count_client {
        std::size_t& count;
        explicit count_client(std::size_t& clients) : count(clients) { ++count; }
        count_client(const count_client&) = delete;
        count_client& operator=(const count_client&) = delete;
        ~count_client() { --count; }
    };
    const count_client counted(clients_);
    net::deadline limit(acceptor_.get_executor());
    const auto close = [&socket] {
        error_code ignored;
        socket.close(ignored);
    };
    boost::beast::flat_buffer buffer;
    for (bool open = true; open;) {
        http::request_parser<http::string_body> parser;
        parser.header_limit(header_bytes);
        parser.body_limit(body_bytes);
        limit.start(idle_timeout, close);
        const auto [unread, read] = co_await http::async_read(socket, buffer, parser, as_pair);
        if (unread) co_return;
        limit.finish();
        const auto& message = parser.get();
        incoming_request request;
        request.method = view(message.method_string());
        request.target = view(message.target());
        request.authorization = view(message[http::field::authorization]);
        request.body = message.body();
        request.keep_alive = message.keep_alive();
        request.arrival = {
            std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
        const bool own_host = is_own_host(view(message[http::field::host]));
        auto streamed = streamed_order(request.path());
        if (own_host && request.method == "GET" && orders_.find(streamed) != nullptr) {
            co_await stream_order(socket, std::move(streamed));
            co_return;
        }
        reply made = refuse(421, "This shop is at another name");
        if (own_host) made = co_await answer(request);
        made.headers.emplace_back("Cache-Control", "no-store");
        made.headers.emplace_back("X-Content-Type-Options", "nosniff");
        made.headers.emplace_back("Content-Security-Policy", "default-src 'self'; img-src 'self' data:");
        const auto text = format_reply(made, request, "shop");
        const auto bytes = asio::buffer(text);
        limit.start(write_timeout, close);
        const auto [unsent, sent] = co_await asio::async_write(socket, bytes, as_pair);
        open = !unsent && request.keep_alive;
    }
}

asio::awaitable<reply> shop_server::answer(const incoming_request& request) {
    const auto path = request.path();
    if (request.method == "GET") {
        if (const auto* asset = find_shop_asset(path)) {
            reply made;
            made.content_type = asset->content_type;
            made.body = asset->bytes;
            co_return made;
        }
    }
    if (path.starts_with("/widget-host/")) co_return proof_.answer_widget(request);
    if (path == orders_path && request.method == "POST") {
        std::string body(request.body);
        co_return co_await take_order(std::move(body));
    }
    if (path.starts_with(orders_path) && path.size() > orders_path.size() && request.method == "GET") {
        if (const auto* order = orders_.find(path.substr(orders_path.size() + 1))) {
            reply made;
            made.body = orders_.format(*order);
            co_return made;
        }
    }
    co_return refuse(404, "There is nothing here");
}

asio::awaitable<reply> shop_server::take_order(std::string body) {
    error_code broken;
    const auto wanted = json::parse(body, broken);
    if (broken) co_return refuse(400, "That was not an order.");
    const auto type = text_of(wanted, "type");
    const auto amount = text_of(wanted, "amount");
    if (const auto wrong = order_book::check(type, amount); !wrong.empty()) co_return refuse(400, wrong);
    const std::string order = orders_.add(type, amount);
    auto asked = format_session_request(type, amount, order);
    std::string key = order;
    const auto session = co_await daemon_.ask_session(std::move(asked), std::move(key));
    error_code unreadable;
    const auto parameters = json::parse(session.body, unreadable);
    auto transaction = text_of(parameters, "merchant_transaction_id");
    if (transaction.empty()) { // a 422 (KYC) that has one opens the widget like a 201
        co_return refuse(502, "We cannot take payments at the moment. Nothing was charged: please try again.");
    }
    orders_.give_transaction(order, transaction);
    reply made;
    made.status = 201;
    made.body = R"({"order":)";
    append_json(made.body, order);
    // Proof signed these bytes: they are for the widget, as they came.
    made.body += R"(,"widget":)" + session.body + '}';
    co_return made;
}

asio::awaitable<void> shop_server::stream_order(socket_type& socket, std::string order) {
    net::deadline limit(acceptor_.get_executor());
    const auto close = [&socket] {
        error_code ignored;
        socket.close(ignored);
    };
    asio::steady_timer changed(acceptor_.get_executor());
    struct registration {
        std::set<asio::steady_timer*>& all;
        asio::steady_timer* one;
        registration(std::set<asio::steady_timer*>& watchers, asio::steady_timer* added) : all(watchers), one(added) {
            all.insert(one);
        }
        registration(const registration&) = delete;
        registration& operator=(const registration&) = delete;
        ~registration() { all.erase(one); }
    };
    const registration registered(watchers_, &changed);
    std::string transaction = orders_.find(order)->transaction;
    if (!transaction.empty()) co_await daemon_.refresh(std::move(transaction));
    std::string out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n"
                      "Connection: close\r\n\r\n";
    std::string reported;
    for (const auto* found = orders_.find(order); found != nullptr; found = orders_.find(order)) {
        auto now = orders_.format(*found);
        if (now != reported) {
            out += "data: " + now + "\n\n";
            reported = std::move(now);
        }
        const auto bytes = asio::buffer(out);
        limit.start(write_timeout, close);
        const auto [unsent, sent] = co_await asio::async_write(socket, bytes, as_pair);
        if (unsent) co_return;
        limit.finish();
        out.clear();
        // What changed during the write woke nobody: look before waiting.
        found = orders_.find(order);
        if (found == nullptr || orders_.format(*found) != reported) continue;
        changed.expires_after(stream_comment);
        const auto [woken] = co_await changed.async_wait(as_pair);
        if (!acceptor_.is_open()) co_return;
        if (!woken) out = ": here\n\n";
    }
}

} // namespace prooftrack::sandbox
