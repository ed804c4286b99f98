#pragma once

// The example shop: a merchant's site over plain HTTP on loopback, for a browser. Its backend is the daemon's client.

#include <set>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "../proof_site.hpp"
#include "daemon_link.hpp"
#include "net/task_group.hpp"
#include "order_book.hpp"

namespace prooftrack::sandbox {

class shop_server {
  public:
    /// Binds and listens at once; throws boost::system::system_error. `proof`, whose widget host stands on this
    /// listener, must outlive it.
    shop_server(
        boost::asio::any_io_executor loop, const boost::asio::ip::tcp::endpoint& where,
        const std::string& daemon_socket, proof_site& proof);

    std::string url() const;
    void start();
    /// Cancels everything; the loop runs out of the shop's work at once.
    void stop();

  private:
    using socket_type = boost::asio::ip::tcp::socket;
    boost::asio::awaitable<void> accept_clients();
    boost::asio::awaitable<void> serve_client(socket_type socket);
    boost::asio::awaitable<reply> answer(const incoming_request& request);
    boost::asio::awaitable<reply> take_order(std::string body);
    boost::asio::awaitable<void> stream_order(socket_type& socket, std::string order);
    bool is_own_host(std::string_view host) const;

    boost::asio::ip::tcp::acceptor acceptor_;
    proof_site& proof_;
    order_book orders_;
    daemon_link daemon_;
    std::size_t clients_ = 0;
    std::set<boost::asio::steady_timer*> watchers_; ///< each lives in the frame of its `stream_order`
    net::task_group tasks_;
};

} // namespace prooftrack::sandbox
