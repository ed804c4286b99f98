#pragma once

// One client of the listener: TLS, then HTTP/2 or HTTP/1.1, whichever ALPN agreed on.

#include <memory>

#include "site.hpp"
#include "tls_link.hpp"

namespace prooftrack::sandbox {

/// One protocol with one client, on a link whose handshake is done.
class conversation {
  public:
    virtual ~conversation() = default;

    /// Serves until the client, a fault, a deadline or `finish` ends it. Never throws for what a client does.
    virtual boost::asio::awaitable<void> run() = 0;
    /// Called several times a second: enforces the deadlines.
    virtual void sweep(instant now) = 0;
    /// Ends it: at once when it waits for a request, else after the replies under way.
    virtual void finish() = 0;
};

/// Runs on one executor; whoever spawned `run` keeps the object until it returned.
class connection {
  public:
    connection(boost::asio::ip::tcp::socket socket, boost::asio::ssl::context& context, site& served);

    /// The TLS handshake; false when it failed.
    boost::asio::awaitable<bool> shake_hands() { return link_.shake_hands(); }
    bool resumed() { return link_.resumed(); }
    bool speaks_http2() { return link_.speaks_http2(); }

    /// As `conversation`'s; `sweep` and `finish` may also come during the handshake.
    boost::asio::awaitable<void> run();
    void sweep(instant now);
    void finish();

  private:
    tls_link link_;
    site& site_;
    std::unique_ptr<conversation> conversation_; ///< null during the handshake
    bool finishing_ = false;
};

} // namespace prooftrack::sandbox
