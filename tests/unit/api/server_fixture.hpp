#pragma once

// A server on a real Unix socket and raw clients, all on the test's own thread: whoever waits turns the loop.

#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/server.hpp"
#include "support/fake_backend.hpp"

namespace prooftrack::api {

/// A client that writes and reads bytes and never blocks.
class raw_client {
  public:
    raw_client(boost::asio::io_context& loop, int socket) : loop_(loop), socket_(socket) {
        ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
    }
    raw_client(boost::asio::io_context& loop, const std::filesystem::path& path)
        : raw_client(loop, ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
        connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    }
    raw_client(raw_client&& other) noexcept
        : loop_(other.loop_), socket_(std::exchange(other.socket_, -1)), connected_(other.connected_),
          ended_(other.ended_), received_(std::move(other.received_)) {}
    ~raw_client() { close(); }

    bool connected() const { return connected_; }
    int native() const { return socket_; }
    void close() {
        if (socket_ >= 0) ::close(std::exchange(socket_, -1));
    }
    void end_input() { ::shutdown(socket_, SHUT_WR); }

    /// Turns the loop until `done` holds, at most for `within`.
    bool wait_for(const std::function<bool()>& done, milliseconds within = seconds(20)) {
        const auto until = std::chrono::steady_clock::now() + within;
        while (!done()) {
            if (std::chrono::steady_clock::now() > until) return false;
            loop_.restart();
            loop_.run_one_for(milliseconds(5));
        }
        return true;
    }
    /// Sends all, turning the loop while the socket is full; false when the server has closed.
    bool send(std::string_view bytes) {
        bool broken = false;
        const bool sent = wait_for([&] {
            const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
            broken = count < 0 && errno != EAGAIN;
            return broken || bytes.empty();
        });
        return sent && !broken;
    }
    /// Takes what there is now.
    void receive() {
        std::string piece(64 * 1024, '\0');
        for (;;) {
            const ssize_t count = ::recv(socket_, piece.data(), piece.size(), 0);
            if (count <= 0) {
                ended_ = ended_ || count == 0 || errno != EAGAIN;
                return;
            }
            received_.append(piece, 0, static_cast<std::size_t>(count));
        }
    }
    bool wait_for_text(std::string_view text, milliseconds within = seconds(20)) {
        return wait_for(
                   [&] {
                       receive();
                       return received_.find(text) != std::string::npos || ended_;
                   },
                   within) &&
               received_.find(text) != std::string::npos;
    }
    bool wait_for_end(milliseconds within = seconds(20)) {
        return wait_for(
            [&] {
                receive();
                return ended_;
            },
            within);
    }
    /// One whole answer with a Content-Length: its bytes, taken from what was received.
    std::string take_answer() {
        if (!wait_for_text("\r\n\r\n")) return received_;
        const std::size_t body = received_.find("\r\n\r\n") + 4;
        const std::size_t field = received_.find("Content-Length: ");
        if (field == std::string::npos || field > body) return received_;
        const std::size_t length = std::stoul(received_.substr(field + 16));
        wait_for([&] {
            receive();
            return received_.size() >= body + length || ended_;
        });
        std::string answer = received_.substr(0, body + length);
        received_.erase(0, body + length);
        return answer;
    }
    std::string ask(std::string_view request) {
        send(request);
        return take_answer();
    }
    const std::string& received() const { return received_; }
    bool ended() const { return ended_; }

  private:
    boost::asio::io_context& loop_;
    int socket_;
    bool connected_ = true;
    bool ended_ = false;
    std::string received_;
};

/// Keeps what the server reported.
class recording_observer final : public api_observer {
  public:
    struct fact {
        std::string method, route;
        int status;
        std::int64_t uid;
    };
    void on_request(const api_request_fact& what) override {
        facts.push_back({std::string(what.method), std::string(what.route), what.status, what.uid});
    }
    std::vector<fact> facts;
};

class server_test : public testing::Test {
  protected:
    server_test() {
        std::string name = "/tmp/prooftrack-api-XXXXXX";
        folder_ = ::mkdtemp(name.data());
        options_.socket = folder_ / "api.sock";
    }
    ~server_test() override {
        server_.reset();
        std::filesystem::remove_all(folder_);
    }
    void start() {
        server_ = make_api_server(loop_.get_executor(), options_, backend_, observer_);
        server_->start();
    }
    raw_client connect() { return {loop_, options_.socket}; }
    /// Turns the loop until `done` holds.
    bool turn_until(const std::function<bool()>& done) {
        raw_client nobody(loop_, ::socket(AF_UNIX, SOCK_STREAM, 0));
        return nobody.wait_for(done);
    }
    /// Turns the loop as long as it has something to do at once.
    void turn() {
        for (int quiet = 0; quiet < 3;) {
            loop_.restart();
            quiet = loop_.run_one_for(milliseconds(2)) == 0 ? quiet + 1 : 0;
        }
    }
    static std::string get(std::string_view target, std::string_view fields = {}) {
        return fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n", target, fields);
    }
    static std::string post(
        std::string_view target, std::string_view body, std::string_view type = "application/json") {
        return fmt::format(
            "POST {} HTTP/1.1\r\nHost: x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n{}", target, type,
            body.size(), body);
    }
    static int status_of(const std::string& answer) {
        return answer.starts_with("HTTP/1.1 ") ? std::stoi(answer.substr(9, 3)) : 0;
    }

    boost::asio::io_context loop_{1};
    std::filesystem::path folder_;
    api_options options_;
    fake_backend backend_;
    recording_observer observer_;
    std::unique_ptr<api_server> server_;
};

} // namespace prooftrack::api
