#pragma once

// One client's TLS stream, with the one deadline that whoever sweeps looks at: a timer for each read and write would
// cost more than the request.

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>

#include "base/time.hpp"

namespace prooftrack::sandbox {

/// Lets clients choose HTTP/2 by ALPN. A client that offers neither h2 nor http/1.1, or nothing, gets HTTP/1.1.
void offer_http2(boost::asio::ssl::context& context);

class tls_link {
  public:
    using stream_type = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

    tls_link(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context);

    stream_type& stream() { return stream_; }
    boost::asio::steady_timer& timer() { return timer_; }

    /// The handshake; false when it failed or took longer than 10 s.
    boost::asio::awaitable<bool> shake_hands();
    bool resumed();
    bool speaks_http2(); ///< what ALPN agreed on; false without it

    /// Writes all of `out` and empties it; false when that failed or took longer than 120 s.
    boost::asio::awaitable<bool> write(std::string& out);
    /// TLS's close_notify, for at most a second.
    boost::asio::awaitable<void> say_goodbye();
    /// Ends the TCP stream towards the client and throws away what still comes, for at most a second: closing with
    /// bytes unread would reset the connection, and take from the client what is under way to it.
    boost::asio::awaitable<void> drain();
    void close();

    void set_deadline(steady_time when) { deadline_ = when; }
    void close_if_late(steady_time now);

  private:
    stream_type stream_;
    boost::asio::steady_timer timer_;
    steady_time deadline_;
};

} // namespace prooftrack::sandbox
