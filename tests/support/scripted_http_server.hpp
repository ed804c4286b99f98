#pragma once

// A loopback server that does exactly what its script says: reads a request, sends these bytes, waits, closes. Runs in
// its own thread with blocking sockets, so that it never depends on the code under test.

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace prooftrack::testing_support {

/// One connection as the script sees it. A call that fails ends the script of this connection quietly (the peer has
/// gone).
class scripted_connection {
  public:
    struct peer_gone {};
    virtual ~scripted_connection() = default;

    /// Reads one whole request: header and the body that Content-Length promises.
    std::string read_request() {
        while (pending_.find("\r\n\r\n") == std::string::npos) read_more();
        const std::size_t body_at = pending_.find("\r\n\r\n") + 4;
        std::size_t length = 0;
        const std::size_t field = pending_.find("Content-Length: ");
        if (field < body_at) length = std::stoul(pending_.substr(field + 16));
        while (pending_.size() < body_at + length) read_more();
        std::string request = pending_.substr(0, body_at + length);
        pending_.erase(0, body_at + length);
        return request;
    }

    /// Reads some bytes, whatever they are.
    std::string read_some() {
        if (pending_.empty()) read_more();
        return std::exchange(pending_, {});
    }

    void send(const std::string& bytes) {
        std::size_t sent = 0;
        while (sent < bytes.size()) sent += write_bytes(bytes.data() + sent, bytes.size() - sent);
    }

    /// Returns when all that was sent over TCP lies in the peer's socket.
    void wait_until_received() {
        for (int unacknowledged = 1; unacknowledged > 0; std::this_thread::yield()) {
            if (::ioctl(descriptor(), SIOCOUTQ, &unacknowledged) != 0) throw peer_gone{};
        }
    }

    /// Returns when the peer has closed (its bytes are thrown away).
    void wait_for_close() {
        try {
            while (true) read_more();
        } catch (const peer_gone&) { // that is what we waited for
        }
    }

    /// Ends the connection with a reset instead of an orderly close.
    virtual void reset() = 0;
    /// Says that no more will come: with TLS a close_notify.
    virtual void close_in_order() = 0;

    /// Which connection of the server this is, from 0.
    std::size_t index = 0;

  protected:
    virtual int descriptor() = 0;
    virtual std::size_t read_bytes(char* to, std::size_t size) = 0;
    virtual std::size_t write_bytes(const char* from, std::size_t size) = 0;

  private:
    void read_more() {
        char bytes[4096];
        pending_.append(bytes, read_bytes(bytes, sizeof bytes));
    }
    std::string pending_;
};

/// Runs `script` for each connection, in a thread each. The destructor closes everything and joins.
class scripted_http_server {
  public:
    using script = std::function<void(scripted_connection&)>;

    /// Plain HTTP on 127.0.0.1.
    explicit scripted_http_server(script what) : script_(std::move(what)) { listen_tcp(); }
    /// TLS on 127.0.0.1.
    scripted_http_server(boost::asio::ssl::context context, script what)
        : script_(std::move(what)), tls_(std::make_shared<boost::asio::ssl::context>(std::move(context))) {
        listen_tcp();
    }
    /// HTTP on a Unix socket.
    scripted_http_server(const std::string& socket_path, script what) : script_(std::move(what)) {
        unix_.emplace(io_, boost::asio::local::stream_protocol::endpoint(socket_path));
        start(unix_->native_handle());
    }

    ~scripted_http_server() {
        stopping_ = true;
        if (acceptor_thread_.joinable()) acceptor_thread_.join();
        {
            const std::lock_guard lock(mutex_);
            for (const int descriptor : open_) ::shutdown(descriptor, SHUT_RDWR);
        }
        for (auto& thread : threads_) thread.join();
    }
    scripted_http_server(const scripted_http_server&) = delete;
    scripted_http_server& operator=(const scripted_http_server&) = delete;

    unsigned short port() const { return port_; }
    std::size_t connections() const { return connections_; }

    /// `http://127.0.0.1:PORT` or `https://localhost:PORT`.
    std::string base_url() const { return (tls_ ? "https://localhost:" : "http://127.0.0.1:") + std::to_string(port_); }

  private:
    template <class Socket>
    class plain_connection final : public scripted_connection {
      public:
        explicit plain_connection(Socket socket) : socket_(std::move(socket)) {}
        void reset() override { reset_socket(socket_); }
        void close_in_order() override {
            boost::system::error_code ignored; // the peer may have gone already
            socket_.shutdown(boost::asio::socket_base::shutdown_send, ignored);
        }

        static void reset_socket(Socket& socket) {
            boost::system::error_code ignored;
            socket.set_option(boost::asio::socket_base::linger(true, 0), ignored);
            socket.close(ignored);
        }

      private:
        int descriptor() override { return socket_.native_handle(); }
        std::size_t read_bytes(char* to, std::size_t size) override {
            boost::system::error_code error;
            const std::size_t got = socket_.read_some(boost::asio::buffer(to, size), error);
            if (error) throw peer_gone{};
            return got;
        }
        std::size_t write_bytes(const char* from, std::size_t size) override {
            boost::system::error_code error;
            const std::size_t sent = socket_.write_some(boost::asio::buffer(from, size), error);
            if (error) throw peer_gone{};
            return sent;
        }
        Socket socket_;
    };

    class tls_connection final : public scripted_connection {
      public:
        using socket_type = boost::asio::ip::tcp::socket;
        tls_connection(socket_type socket, boost::asio::ssl::context& context) : stream_(std::move(socket), context) {
            boost::system::error_code error;
            stream_.handshake(boost::asio::ssl::stream_base::server, error);
            if (error) throw peer_gone{};
        }
        void reset() override { plain_connection<socket_type>::reset_socket(stream_.next_layer()); }
        void close_in_order() override {
            boost::system::error_code ignored;
            stream_.next_layer().shutdown(socket_type::shutdown_receive, ignored); // else it would wait for the answer
            stream_.shutdown(ignored);
        }

      private:
        int descriptor() override { return stream_.next_layer().native_handle(); }
        std::size_t read_bytes(char* to, std::size_t size) override {
            boost::system::error_code error;
            const std::size_t got = stream_.read_some(boost::asio::buffer(to, size), error);
            if (error) throw peer_gone{};
            return got;
        }
        std::size_t write_bytes(const char* from, std::size_t size) override {
            boost::system::error_code error;
            const std::size_t sent = stream_.write_some(boost::asio::buffer(from, size), error);
            if (error) throw peer_gone{};
            return sent;
        }
        boost::asio::ssl::stream<socket_type> stream_;
    };

    void listen_tcp() {
        const boost::asio::ip::tcp::endpoint any_port(boost::asio::ip::address_v4::loopback(), 0);
        tcp_.emplace(io_, any_port);
        port_ = tcp_->local_endpoint().port();
        start(tcp_->native_handle());
    }

    void start(int descriptor) {
        acceptor_thread_ = std::thread([this, descriptor] {
            while (!stopping_) {
                pollfd waiting{descriptor, POLLIN, 0};
                if (::poll(&waiting, 1, 10) == 1) accept_one();
            }
        });
    }

    void accept_one() {
        boost::system::error_code error;
        if (tcp_) {
            auto socket = tcp_->accept(error);
            if (!error) serve(std::move(socket));
        } else {
            auto socket = unix_->accept(error);
            if (!error) serve(std::move(socket));
        }
    }

    template <class Socket>
    void serve(Socket socket) {
        const std::size_t index = connections_++;
        const int descriptor = ::dup(socket.native_handle()); // ours to shut down, also after the script closed its own
        {
            const std::lock_guard lock(mutex_);
            open_.push_back(descriptor);
        }
        auto shared = std::make_shared<Socket>(std::move(socket));
        threads_.emplace_back([this, shared, index, descriptor] {
            try {
                run(std::move(*shared), index);
            } catch (const scripted_connection::peer_gone&) { // the client is allowed to go at any time
            }
            const std::lock_guard lock(mutex_);
            std::erase(open_, descriptor);
            ::close(descriptor);
        });
    }

    template <class Socket>
    std::unique_ptr<scripted_connection> make_connection(Socket socket) {
        if constexpr (std::is_same_v<Socket, boost::asio::ip::tcp::socket>) {
            if (tls_) return std::make_unique<tls_connection>(std::move(socket), *tls_);
        }
        return std::make_unique<plain_connection<Socket>>(std::move(socket));
    }
    template <class Socket>
    void run(Socket socket, std::size_t index) {
        const std::unique_ptr<scripted_connection> connection = make_connection(std::move(socket));
        connection->index = index;
        script_(*connection);
    }

    boost::asio::io_context io_;
    script script_;
    std::shared_ptr<boost::asio::ssl::context> tls_; // outlives the streams made from it
    std::optional<boost::asio::ip::tcp::acceptor> tcp_;
    std::optional<boost::asio::local::stream_protocol::acceptor> unix_;
    unsigned short port_ = 0;
    std::atomic<bool> stopping_ = false;
    std::atomic<std::size_t> connections_ = 0;
    std::thread acceptor_thread_;
    std::mutex mutex_;
    std::vector<int> open_;
    std::vector<std::thread> threads_; // touched by the acceptor's thread, then by the destructor
};

} // namespace prooftrack::testing_support
