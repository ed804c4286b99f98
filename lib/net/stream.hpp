#pragma once

// One connected stream, whatever carries it.

#include <cstddef>
#include <utility>
#include <variant>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>

#include "net/tls.hpp"

namespace prooftrack::net {

/// TCP, TLS or Unix, as an AsyncReadStream and AsyncWriteStream. Move-only; moved-from is only good for destruction.
class any_stream {
  public:
    using tcp_socket = boost::asio::ip::tcp::socket;
    using unix_socket = boost::asio::local::stream_protocol::socket;
    using executor_type = boost::asio::any_io_executor;

  private:
    std::variant<tcp_socket, unix_socket, tls_stream_ptr> stream_;

    template <class Visitor>
    decltype(auto) visit(Visitor&& visitor) {
        if (auto* tcp = std::get_if<tcp_socket>(&stream_)) return visitor(*tcp);
        if (auto* local = std::get_if<unix_socket>(&stream_)) return visitor(*local);
        return visitor(*std::get<tls_stream_ptr>(stream_));
    }

  public:
    explicit any_stream(tcp_socket socket) : stream_(std::move(socket)) {}
    explicit any_stream(unix_socket socket) : stream_(std::move(socket)) {}
    explicit any_stream(tls_stream_ptr stream) : stream_(std::move(stream)) {}

    executor_type get_executor() {
        return visit([](auto& stream) -> executor_type { return stream.get_executor(); });
    }

    template <class Buffers, class Token>
    auto async_read_some(const Buffers& buffers, Token&& token) {
        return visit([&](auto& stream) { return stream.async_read_some(buffers, std::forward<Token>(token)); });
    }
    template <class Buffers, class Token>
    auto async_write_some(const Buffers& buffers, Token&& token) {
        return visit([&](auto& stream) { return stream.async_write_some(buffers, std::forward<Token>(token)); });
    }

    bool is_open() const;
    int native_handle();

    /// Closes the socket at once; operations in progress fail with operation_aborted. A TLS session stays resumable.
    void close();

    /// Takes what is there without waiting: with TLS also what it decrypted already. would_block when there is nothing,
    /// eof when the peer has closed. Not while another read is under way; the socket stays non-blocking.
    std::size_t read_available(char* into, std::size_t size, error_code& error);
};

} // namespace prooftrack::net
