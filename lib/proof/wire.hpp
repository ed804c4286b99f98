#pragma once

// One connection to Proof from the lookup to its end: TCP or TLS, bytes in and out, no HTTP and no deadlines of its own
// beyond connecting.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "net/resolver.hpp"
#include "proof/origin.hpp"
#include "proof/socket_watch.hpp"
#include "proof/tls_engine.hpp"

namespace prooftrack::proof {

/// How a connection ended.
enum class wire_end : std::uint8_t {
    not_made, ///< lookup, connect or TLS failed: nothing was sent
    clean,    ///< the peer ended it in order: what came is all there was
    cut,      ///< reset, or TLS ended without close_notify: what came may be a part
};

/// Gets what happens on a wire, on the loop, never from inside a call to the wire but for `on_bytes` within a read. A
/// listener may close the wire from any of these; then nothing follows.
class wire_listener {
  public:
    virtual ~wire_listener() = default;
    /// TCP is connected and TLS begins.
    virtual void on_handshake_begins() = 0;
    /// Requests may be sent.
    virtual void on_open(bool tls, bool resumed) = 0;
    /// Decrypted bytes, never none, valid during the call.
    virtual void on_bytes(std::string_view bytes) = 0;
    /// All bytes that one read brought were given to on_bytes.
    virtual void on_drained() = 0;
    /// The end, once; `text` is for people: "connect: Connection refused".
    virtual void on_end(wire_end how, std::string text) = 0;
};

/// Held by a shared_ptr because a notification may destroy its owner. The owner calls `close` before it
/// goes.
class wire final : public std::enable_shared_from_this<wire>, private watched_socket {
  public:
    wire(
        boost::asio::any_io_executor loop, std::shared_ptr<socket_watch> watch, std::shared_ptr<origin> where,
        wire_listener& listener);
    ~wire();
    wire(const wire&) = delete;
    wire& operator=(const wire&) = delete;

    /// Looks up, connects (the whole within `connect_timeout`) and shakes hands. Called once.
    /// `resolver` must live until on_open, on_end or `close`.
    void open(net::host_resolver& resolver, steady_duration connect_timeout);

    /// Sends all of `bytes`, at once as far as the socket takes them. Only after on_open. A failure shows as the end of
    /// the reading.
    void send(std::string_view bytes);

    /// Ends it at once, with a close_notify if one can be sent; no listener is called any more. May be repeated.
    void close();

    /// Remembers the TLS session for the next connection.
    void keep_session();

  private:
    void on_ready(bool readable, bool writable) override;
    void take_socket(boost::asio::ip::tcp::socket socket);
    void fail(wire_end how, std::string text);
    void shake_hands();
    void opened();
    void read_some();
    void take_received(std::string_view bytes);
    void take_encrypted(std::string_view bytes);
    void flush();
    void wait_writable(bool wanted);

    boost::asio::any_io_executor loop_;
    std::shared_ptr<socket_watch> watch_;
    std::shared_ptr<origin> origin_; // shared with the pool and the other wires: a reload replaces it under them
    wire_listener* listener_;
    int socket_ = -1; ///< ours since it is connected, and watched
    unique_function<void()> cancel_connect_;
    std::unique_ptr<tls_engine> tls_;
    std::string unsent_; ///< plain TCP's own; with TLS the engine's `outgoing`
    bool was_opened_ = false;
    bool open_ = false;
    bool writing_ = false; ///< waiting until the socket can be written
};

} // namespace prooftrack::proof
