#pragma once

// The shop's backend as a client of prooftrackd: asks over its Unix socket, and follows its event stream for good.

#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "event_reader.hpp"
#include "order_book.hpp"

namespace prooftrack::sandbox {

struct daemon_answer {
    int status = 0; ///< 0: the daemon could not be reached, or did not answer in time
    std::string body;
};

class daemon_link {
  public:
    /// `orders` must outlive it.
    daemon_link(boost::asio::any_io_executor loop, std::string socket_path, order_book& orders);

    /// `POST /v1/sessions`. The key makes a repeat of the same order harmless.
    boost::asio::awaitable<daemon_answer> ask_session(std::string body, std::string idempotency_key);

    /// Asks for the transaction's state and tells the orders.
    boost::asio::awaitable<void> refresh(std::string transaction);

    /// Follows the stream until it is cancelled; after a break again with Last-Event-ID, after 100 ms, doubling to 2 s.
    boost::asio::awaitable<void> follow();

  private:
    using socket_type = boost::asio::local::stream_protocol::socket;
    boost::asio::awaitable<daemon_answer> ask(
        std::string method, std::string target, std::string body, std::string idempotency_key);
    boost::asio::awaitable<bool> follow_once();
    boost::asio::awaitable<void> refresh_all();

    boost::asio::any_io_executor loop_;
    boost::asio::local::stream_protocol::endpoint daemon_;
    order_book& orders_;
    event_reader reader_;
    std::string last_event_id_; ///< "" before the first event
};

} // namespace prooftrack::sandbox
