// A far-away server on one machine: forwards TCP connections and holds every byte for half of the round trip in each
// direction. The first bytes of a connection are held a whole round trip longer, which is what the TCP handshake would
// have taken. The congestion window that a long way also has is not modelled.
//   far_relay PORT TARGET_PORT ROUND_TRIP_MS      both on 127.0.0.1; ends on SIGTERM

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio.hpp>
#include <fmt/format.h>
#include <sys/resource.h>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using clock_type = std::chrono::steady_clock;

constexpr std::size_t most_held = 256 * 1024; ///< bytes in each direction of a connection: above, it reads no more
constexpr int most_connections = 32'768;
constexpr std::chrono::microseconds timer_slack{50}; ///< what is due this soon is written with what is due

class connection;

struct held_bytes {
    clock_type::time_point due;
    std::shared_ptr<connection> owner;
    int from = 0;      ///< the side that they came from
    std::string bytes; ///< empty = this side sent its last byte
};

/// Everything is held for the same time, so what came first leaves first: one queue and one timer for all connections.
class delay_line {
  public:
    delay_line(asio::io_context& loop, clock_type::duration delay) : delay_(delay), timer_(loop) {}

    void put(std::shared_ptr<connection> owner, int from, std::string bytes) {
        queue_.push_back({clock_type::now() + delay_, std::move(owner), from, std::move(bytes)});
        if (queue_.size() == 1) set_timer();
    }
    clock_type::duration delay() const { return delay_; }

  private:
    void set_timer() {
        timer_.expires_at(queue_.front().due);
        timer_.async_wait([this](error_code error) {
            if (!error) release();
        });
    }
    void release();

    clock_type::duration delay_;
    asio::steady_timer timer_;
    std::deque<held_bytes> queue_;
};

/// The client (side 0) and the server (side 1). Lives as long as an operation or held bytes of it; a failure of one
/// side ends both at once.
class connection : public std::enable_shared_from_this<connection> {
  public:
    connection(tcp::socket client, delay_line& line)
        : line_(line), handshake_(client.get_executor()), server_(client.get_executor()), client_(std::move(client)) {}

    void start(tcp::endpoint target) {
        server_.async_connect(target, [self = shared_from_this()](error_code error) {
            if (error) return self->end();
            self->socket(0).non_blocking(true);
            self->socket(1).non_blocking(true);
            self->socket(0).set_option(tcp::no_delay(true));
            self->socket(1).set_option(tcp::no_delay(true));
            self->await_bytes(1);
            self->handshake_.expires_after(2 * self->line_.delay());
            self->handshake_.async_wait([self](error_code failed) {
                if (!failed) self->await_bytes(0);
            });
        });
    }

    /// What came from `from` has been held long enough.
    void deliver(int from, std::string bytes) {
        auto& way = ways_[static_cast<std::size_t>(from)];
        if (bytes.empty())
            way.has_ended = true;
        else
            way.due.append(bytes);
        if (!way.is_writing) write(from);
    }

  private:
    struct direction {
        std::string due; ///< to be written now
        std::size_t held = 0;
        bool is_writing = false;
        bool is_reading = false;
        bool is_read_out = false; ///< its sender sends no more
        bool has_ended = false;   ///< and all of it was delivered
    };

    tcp::socket& socket(int side) { return side == 0 ? client_ : server_; }

    void await_bytes(int from) {
        auto& way = ways_[static_cast<std::size_t>(from)];
        if (way.is_reading || way.is_read_out || way.held >= most_held) return;
        way.is_reading = true;
        socket(from).async_wait(tcp::socket::wait_read, [self = shared_from_this(), from](error_code error) {
            self->ways_[static_cast<std::size_t>(from)].is_reading = false;
            if (error) return self->end();
            self->read(from);
        });
    }

    void read(int from) {
        static std::array<char, 65'536> buffer;
        error_code error;
        const auto size = socket(from).read_some(asio::buffer(buffer), error);
        if (error == asio::error::would_block) return await_bytes(from);
        if (error && error != asio::error::eof) return end();
        auto& way = ways_[static_cast<std::size_t>(from)];
        way.held += size;
        way.is_read_out = error == asio::error::eof;
        line_.put(shared_from_this(), from, std::string(buffer.data(), size));
        await_bytes(from);
    }

    void write(int from) {
        auto& way = ways_[static_cast<std::size_t>(from)];
        auto& to = socket(1 - from);
        error_code error;
        if (!way.due.empty()) {
            const auto size = to.write_some(asio::buffer(way.due), error);
            if (error && error != asio::error::would_block) return end();
            way.due.erase(0, size);
            way.held -= size;
            await_bytes(from);
        }
        if (way.due.empty()) {
            if (way.has_ended) to.shutdown(tcp::socket::shutdown_send, error);
            return;
        }
        way.is_writing = true;
        to.async_wait(tcp::socket::wait_write, [self = shared_from_this(), from](error_code failed) {
            self->ways_[static_cast<std::size_t>(from)].is_writing = false;
            if (failed) return self->end();
            self->write(from);
        });
    }

    void end() {
        error_code ignored;
        handshake_.cancel();
        client_.close(ignored);
        server_.close(ignored);
    }

    delay_line& line_;
    asio::steady_timer handshake_;
    tcp::socket server_;
    tcp::socket client_;
    std::array<direction, 2> ways_;
};

void delay_line::release() {
    const auto now = clock_type::now() + timer_slack;
    while (!queue_.empty() && queue_.front().due <= now) {
        auto first = std::move(queue_.front());
        queue_.pop_front();
        first.owner->deliver(first.from, std::move(first.bytes));
    }
    if (!queue_.empty()) set_timer();
}

void accept_clients(tcp::acceptor& acceptor, tcp::endpoint target, delay_line& line) {
    acceptor.async_accept([&acceptor, target, &line](error_code error, tcp::socket client) {
        if (error) throw boost::system::system_error(error); // without descriptors it cannot go on
        std::make_shared<connection>(std::move(client), line)->start(target);
        accept_clients(acceptor, target, line);
    });
}

void raise_descriptor_limit() {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 2 * most_connections + 64);
    setrlimit(RLIMIT_NOFILE, &limit);
}

int run(std::uint16_t port, std::uint16_t target, double round_trip_ms) {
    raise_descriptor_limit();
    asio::io_context loop(1);
    const auto loopback = asio::ip::address_v4::loopback();
    tcp::acceptor acceptor(loop, {loopback, port});
    acceptor.listen(4096);
    delay_line line(loop, std::chrono::microseconds(static_cast<std::int64_t>(round_trip_ms * 500)));
    accept_clients(acceptor, {loopback, target}, line);
    asio::signal_set signals(loop, SIGTERM, SIGINT);
    signals.async_wait([&loop](error_code, int) { loop.stop(); });
    loop.run();
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 64;
    try {
        return run(
            static_cast<std::uint16_t>(std::atoi(argv[1])), static_cast<std::uint16_t>(std::atoi(argv[2])),
            std::atof(argv[3]));
    } catch (const std::exception& error) {
        fmt::print(stderr, "far_relay: {}\n", error.what());
        return 1;
    }
}
