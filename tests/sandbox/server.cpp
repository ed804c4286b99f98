#include "server.hpp"

#include <boost/asio/use_awaitable.hpp>

#include "as_pair.hpp"
#include "base/result.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

constexpr int backlog = 4'096;
constexpr auto sweep_interval = milliseconds(250);
constexpr auto accept_pause = milliseconds(100);

} // namespace

server::server(
    asio::any_io_executor loop, const tcp::endpoint& where, std::size_t most_connections, asio::ssl::context context)
    : acceptor_(loop), context_(std::move(context)), most_connections_(most_connections), sweep_timer_(loop),
      stop_timer_(loop), tasks_(loop) {
    acceptor_.open(where.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address(true));
    acceptor_.bind(where);
    acceptor_.listen(backlog);
}

void server::start(site& served, connection_counts& counts) {
    site_ = &served;
    counts_ = &counts;
    tasks_.spawn(accept_clients());
    tasks_.spawn(sweep());
}

void server::stop(milliseconds within, unique_function<void()> stopped) {
    if (stopping_) return;
    stopping_ = true;
    error_code ignored;
    acceptor_.close(ignored);
    sweep_timer_.cancel();
    for (auto* client : clients_) client->finish();
    stop_timer_.expires_after(within);
    stop_timer_.async_wait([this](error_code cancelled) {
        if (!cancelled) tasks_.cancel();
    });
    tasks_.on_empty([this, stopped = std::move(stopped)]() mutable {
        stop_timer_.cancel();
        stopped();
    });
}

asio::awaitable<void> server::accept_clients() {
    while (!stopping_) {
        auto [error, socket] = co_await acceptor_.async_accept(as_pair);
        if (stopping_) co_return;
        if (error) {
            // Out of descriptors, most likely: a short pause lets some come back.
            asio::steady_timer pause(acceptor_.get_executor());
            pause.expires_after(accept_pause);
            co_await pause.async_wait(as_pair);
            continue;
        }
        ++counts_->accepted;
        const instant now{std::chrono::steady_clock::now(), {}};
        if (clients_.size() >= most_connections_ || !site_->admits_connection(now)) continue;
        tasks_.spawn(serve_client(std::move(socket)));
    }
}

asio::awaitable<void> server::serve_client(tcp::socket socket) {
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    connection client(std::move(socket), context_, *site_);
    struct registration {
        std::set<connection*>& all;
        connection_counts& counts;
        connection* one;
        registration(std::set<connection*>& clients, connection_counts& kept, connection* added)
            : all(clients), counts(kept), one(added) {
            all.insert(one);
            counts.open = all.size();
            counts.most_open = std::max(counts.most_open, counts.open);
        }
        registration(const registration&) = delete;
        registration& operator=(const registration&) = delete;
        ~registration() {
            all.erase(one);
            counts.open = all.size();
        }
    };
    const registration registered(clients_, *counts_, &client);
    const bool shaken = co_await client.shake_hands();
    if (!shaken) {
        ++counts_->failed_handshakes;
        co_return;
    }
    ++counts_->handshakes;
    if (client.resumed()) ++counts_->resumed;
    if (client.speaks_http2()) ++counts_->http2;
    co_await client.run();
}

asio::awaitable<void> server::sweep() {
    while (!stopping_) {
        sweep_timer_.expires_after(sweep_interval);
        co_await sweep_timer_.async_wait(as_pair);
        const instant now{
            std::chrono::steady_clock::now(), std::chrono::floor<milliseconds>(std::chrono::system_clock::now())};
        for (auto* client : clients_) client->sweep(now);
    }
}

} // namespace prooftrack::sandbox
