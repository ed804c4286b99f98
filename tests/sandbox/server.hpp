#pragma once

// A TLS listener that serves one site. A second one (the shop's) can stand beside it on the same loop.

#include <functional>
#include <set>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "connection.hpp"
#include "net/task_group.hpp"
#include "proof_site.hpp"

namespace prooftrack::sandbox {

class server {
  public:
    /// Binds and listens at once; throws boost::system::system_error. `context`, `served` and `counts` must outlive it.
    server(
        boost::asio::any_io_executor loop, const boost::asio::ip::tcp::endpoint& where, std::size_t most_connections,
        boost::asio::ssl::context context);

    boost::asio::ip::tcp::endpoint local_endpoint() const { return acceptor_.local_endpoint(); }

    /// Begins to accept.
    void start(site& served, connection_counts& counts);

    /// Accepts no more, lets replies under way end for `within`, cuts the rest, then calls `stopped` once.
    void stop(milliseconds within, unique_function<void()> stopped);

  private:
    boost::asio::awaitable<void> accept_clients();
    boost::asio::awaitable<void> serve_client(boost::asio::ip::tcp::socket socket);
    boost::asio::awaitable<void> sweep();

    boost::asio::ip::tcp::acceptor acceptor_;
    boost::asio::ssl::context context_;
    std::size_t most_connections_;
    site* site_ = nullptr;
    connection_counts* counts_ = nullptr;
    boost::asio::steady_timer sweep_timer_;
    boost::asio::steady_timer stop_timer_;
    bool stopping_ = false;
    std::set<connection*> clients_; ///< each lives in the frame of its `serve_client`
    net::task_group tasks_;
};

} // namespace prooftrack::sandbox
