#pragma once

// TLS as a client: verified by name, at least 1.2, sessions kept and resumed.

#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "base/result.hpp"
#include "base/time.hpp"
#include "net/client_identity.hpp"
#include "net/trust_roots.hpp"

namespace prooftrack::net {

using tls_stream = boost::asio::ssl::stream<boost::asio::ip::tcp::socket>;

/// Ends a stream without a close_notify round trip but in a way that leaves its session resumable (SSL_free alone would
/// spoil it).
struct tls_closer {
    void operator()(tls_stream* stream) const noexcept;
};
using tls_stream_ptr = std::unique_ptr<tls_stream, tls_closer>;

/// TLS 1.2 at least, peers verified against these authorities, `identity` shown to a server that asks.
/// Throws boost::system::system_error whose text names the file when the bundle or the identity cannot be used.
boost::asio::ssl::context make_tls_context(const trust_roots& trust, const client_identity& identity = {});

/// A context and the newest session of each host. Its streams must not outlive it being in use on the loop; they may
/// outlive the object.
class tls_client {
  public:
    explicit tls_client(const trust_roots& trust, const client_identity& identity = {}); ///< throws as make_tls_context
    ~tls_client();
    tls_client(const tls_client&) = delete;
    tls_client& operator=(const tls_client&) = delete;

    /// A stream over a connected socket: SNI (for names), the certificate must be for `host`, the last session of
    /// `host:port` is offered.
    tls_stream_ptr make_stream(boost::asio::ip::tcp::socket socket, const std::string& host, std::uint16_t port);

    boost::asio::ssl::context& context();

    /// No two clients of this process have the same: a connection kept under it is never taken for another client's.
    std::uint64_t serial() const { return serial_; }

    /// Drops all remembered sessions.
    void forget_sessions();

  private:
    struct session_cache;
    std::uint64_t serial_;
    boost::asio::ssl::context context_;
    std::shared_ptr<session_cache> sessions_; // shared with streams: a ticket may arrive at any read
};

/// True when the handshake that `stream` made resumed a session.
bool was_resumed(const tls_stream& stream);

/// Handshakes within `within`. The error's detail says what is wrong with the certificate ("hostname mismatch: …") or
/// the server, and what to do. After a failure the stream's socket is closed.
boost::asio::awaitable<op_result<void>> async_tls_handshake(tls_stream& stream, steady_duration within);

} // namespace prooftrack::net
