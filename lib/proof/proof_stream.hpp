#pragma once

// One connection to Proof from the lookup to its end: TCP, or TLS on it. Bytes in and out, no HTTP and no deadlines of
// its own beyond connecting.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "net/resolver.hpp"
#include "proof/origin.hpp"

namespace prooftrack::proof {

/// The one executor of the polls: a type-erased one costs an allocation and a call through a pointer an operation.
using loop_executor = boost::asio::io_context::executor_type;

enum class stream_step : std::uint8_t {
    handshaking, ///< TCP is connected and TLS begins
    open,        ///< bytes may be read and written
    failed,      ///< nothing was sent; the text says why: "connect: Connection refused"
};
using stream_handler = unique_function<void(stream_step, const std::string& why)>;

/// How a read ended a connection.
struct stream_end {
    bool is_clean = false; ///< in order, with TLS by a close_notify: what came is all there was
    std::string text;      ///< for people: "reply: connection closed"
};

/// Held by a shared_ptr: pending operations of its users and its own hold it, and must not outlive the loop. Its owner
/// calls `close` before it goes.
class proof_stream final : public std::enable_shared_from_this<proof_stream> {
  public:
    using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, loop_executor>;
    using tls_stream = boost::asio::ssl::stream<tcp_socket&>;

    /// `alpn` is what is offered, in TLS's own format ("\x08http/1.1"); "" = the extension is not sent.
    proof_stream(loop_executor loop, std::shared_ptr<origin> where, std::string_view alpn = {});
    ~proof_stream();
    proof_stream(const proof_stream&) = delete;
    proof_stream& operator=(const proof_stream&) = delete;

    /// Looks up, connects (the whole within `connect_timeout`) and shakes hands, without a deadline for TLS. Called
    /// once. `on_step` runs on the loop, never from inside this call, until `open`, `failed` or `close`. `resolver`
    /// must live until then.
    void open(net::host_resolver& resolver, steady_duration connect_timeout, stream_handler on_step);

    bool is_open() const { return open_; }
    bool uses_tls() const { return tls_.has_value(); }
    bool resumed() const;          ///< the TLS session was; only when open
    std::string_view alpn() const; ///< what the server chose: "h2", "http/1.1" or "" = it said nothing

    /// As AsyncReadStream and AsyncWriteStream; only while open. One read and one write at a time, and the buffers must
    /// live until the handler ran, also after `close`.
    template <class Handler>
    void async_read_some(boost::asio::mutable_buffer into, Handler handler) {
        tls_ ? tls_->async_read_some(into, std::move(handler)) : socket_.async_read_some(into, std::move(handler));
    }
    template <class Handler>
    void async_write(boost::asio::const_buffer from, Handler handler) {
        tls_ ? boost::asio::async_write(*tls_, from, std::move(handler))
             : boost::asio::async_write(socket_, from, std::move(handler));
    }

    /// What an error of async_read_some means.
    stream_end describe_end(error_code error) const;

    /// Remembers the TLS session for the next connection, if it can be resumed. While open.
    void keep_session();

    /// Ends it at once, with a close_notify if one can be sent. Pending operations fail with operation_aborted. May be
    /// repeated.
    void close() noexcept;

  private:
    void take_socket(boost::asio::ip::tcp::socket connected);
    void shake_hands();
    void finish(stream_step step, const std::string& why = {});

    loop_executor loop_;
    std::shared_ptr<origin> origin_; ///< shared with the pool and the others: a reload replaces it under them
    std::string alpn_;
    tcp_socket socket_;
    std::optional<tls_stream> tls_;
    stream_handler on_step_;
    unique_function<void()> cancel_connect_;
    bool was_opened_ = false;
    bool open_ = false;
};

} // namespace prooftrack::proof
