#pragma once

// One client: HTTP/1.1 with keep-alive and pipelining over TLS, answers in order.

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "site.hpp"

namespace prooftrack::sandbox {

/// Runs on one executor; whoever spawned `run` keeps the object until it returned. Whoever sweeps calls
/// `close_if_late`: that is the deadline of every read and write (a timer for each would cost more than the request).
class connection {
  public:
    using stream_type = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

    connection(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context, site& served);

    /// The TLS handshake; false when it failed.
    boost::asio::awaitable<bool> shake_hands();
    bool resumed() const;

    /// Serves until the client, a fault, a deadline or `finish` ends it. Never throws for what a client does.
    boost::asio::awaitable<void> run();

    void close_if_late(steady_time now);
    /// Ends it: at once when it waits for a request, else after the reply under way.
    void finish();

  private:
    enum class parse_outcome : std::uint8_t { request, need_more, refused };

    parse_outcome parse();
    parse_outcome begin_body();
    boost::asio::awaitable<bool> read_more();
    boost::asio::awaitable<bool> flush();
    boost::asio::awaitable<bool> perform(reply_plan plan);
    boost::asio::awaitable<bool> drip(std::string bytes, milliseconds apart);
    boost::asio::awaitable<bool> wait_until(steady_time when);
    boost::asio::awaitable<void> stall(milliseconds limit);
    boost::asio::awaitable<void> say_goodbye();
    reply_plan answer();
    void refuse(int status);
    void close();

    stream_type stream_;
    boost::asio::steady_timer timer_;
    site& site_;
    boost::beast::flat_buffer buffer_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
    instant last_read_{};
    std::string out_;
    steady_time deadline_;
    bool body_begun_ = false;
    bool keep_alive_ = true;
    bool finishing_ = false;
    bool waits_for_request_ = false;
};

} // namespace prooftrack::sandbox
