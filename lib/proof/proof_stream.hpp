#pragma once

// One connection to Proof from the lookup to its end: TCP, or TLS on it. Bytes in and out, no HTTP and no deadlines of
// its own beyond connecting.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "base/result.hpp"
#include "base/time.hpp"
#include "base/unique_function.hpp"
#include "net/resolver.hpp"
#include "proof/origin.hpp"

namespace prooftrack::proof {

/// The one executor of this module's sockets: a type-erased one costs a call through a pointer, and more, an operation.
using loop_executor = boost::asio::io_context::executor_type;

enum class stream_step : std::uint8_t {
    handshaking, ///< TCP is connected and TLS begins
    open,        ///< bytes may be read and written
    failed,      ///< nothing was sent; the text says why: "connect: Connection refused"
};
using stream_handler = unique_function<void(stream_step, const std::string& why)>;

enum class reading : std::uint8_t {
    piece_by_piece, ///< what one read brings, with TLS one record: the cheapest if the peer sends one and waits
    all_that_came,  ///< up to 8 KiB of what has come, so that one write can answer it
};

/// Gets what is read, on the loop, never from inside a call to the stream. It may close the stream from inside; then
/// nothing follows.
class stream_reader {
  public:
    /// Decrypted bytes, never none, valid during the call.
    virtual void on_bytes(std::string_view bytes) = 0;

    /// The last call. `is_clean`: the peer ended it in order, with TLS by a close_notify, so that what came is all
    /// there was. `why` is for people: "reply: connection closed".
    virtual void on_end(bool is_clean, const std::string& why) = 0;

  protected:
    ~stream_reader() = default;
};

/// Held by a shared_ptr because its pending operations hold it: they run, without effects, after `close`. Its owner
/// calls `close` before it goes. It must not outlive the loop.
class proof_stream final : public std::enable_shared_from_this<proof_stream> {
  public:
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

    /// Reads from now on until the end. Only when open, once; `reader` is used until on_end or `close`.
    void start_reading(stream_reader& reader, reading how = reading::piece_by_piece);

    /// Sends all of `bytes`, which are copied, in order. Only when open. A failure shows as the end of the reading.
    void send(std::string_view bytes);

    /// Sends a few KiB without an operation of its own, which is 3 % of a poll. Only when all that was sent before has
    /// been answered, so that the socket's buffer is empty and takes them: if it does not, the connection is over.
    void send_at_once(std::string_view bytes);

    /// Bytes of `send` that the socket has not taken, the piece that is being written counted whole. Whoever sends
    /// without waiting for replies holds it to a bound.
    std::size_t unsent() const { return written_now_.size() + written_next_.size(); }

    /// Remembers the TLS session for the next connection, if it can be resumed. While open; `close` does it too.
    void keep_session();

    /// Ends it at once, with a close_notify if one can be sent; nothing is called any more. May be repeated.
    void close() noexcept;

  private:
    using tcp_socket = boost::asio::basic_stream_socket<boost::asio::ip::tcp, loop_executor>;
    using tls_stream = boost::asio::ssl::stream<tcp_socket&>;

    void take_socket(boost::asio::ip::tcp::socket connected);
    void shake_hands();
    void report(stream_step step, const std::string& why = {});
    void read_some();
    void on_read(error_code error, std::size_t size);
    std::size_t read_what_came(std::size_t size, error_code& error);
    void write_on();
    void on_written(error_code error);
    std::string reason_of(error_code error) const;

    loop_executor loop_;
    std::shared_ptr<origin> origin_; ///< shared with the pool and the others: a reload replaces it under them
    std::string alpn_;
    tcp_socket socket_;
    std::optional<tls_stream> tls_;
    stream_handler on_step_;
    unique_function<void()> cancel_connect_;
    stream_reader* reader_ = nullptr;
    reading how_ = reading::piece_by_piece;
    std::array<char, 8 * 1024> received_; // NOLINT: not initialised, read only where it was written
    std::string written_now_;
    std::string written_next_; ///< waits until written_now_ is sent
    bool was_opened_ = false;
    bool open_ = false;
    bool yielded_ = false; ///< a read has left a write its turn
};

} // namespace prooftrack::proof
