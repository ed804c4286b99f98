#include "prooftrackctl/receiver_server.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/host_rules.hpp"
#include "net/address_rules.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {

namespace {

namespace http = boost::beast::http;

constexpr std::size_t most_connections = 64;
constexpr std::size_t most_body = 1024UL * 1024;
constexpr milliseconds client_patience{10'000};
/// How long the rest of a refused request is read and thrown away: closed at once, the client would lose the answer.
constexpr milliseconds drain_patience{2'000};

[[noreturn]] void cannot_listen(const std::string& address, const std::string& why) {
    throw command_failure(exit_status::refused, fmt::format("cannot listen on {}: {}", printable(address), why));
}

steady_time now() { return std::chrono::steady_clock::now(); }

} // namespace

/// One client: reads a request, answers it, reads the next.
class receiver_server::connection {
  public:
    explicit connection(int socket) : socket_(socket) { begin(); }
    ~connection() { close(socket_); }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;

    int socket() const { return socket_; }
    short wanted() const { return output_.empty() ? POLLIN : POLLOUT; }
    steady_time deadline() const { return deadline_; }

    /// false = close it.
    bool on_ready(const request_handler& handler, bool& go_on) {
        return output_.empty() ? read(handler, go_on) : write(handler, go_on);
    }

  private:
    void begin() {
        parser_ = std::make_unique<http::request_parser<http::string_body>>();
        parser_->eager(false); // the header alone, so that it can be looked at before the body
        parser_->header_limit(16 * 1024);
        parser_->body_limit(most_body);
        deadline_ = now() + client_patience;
    }

    bool read(const request_handler& handler, bool& go_on) {
        std::array<char, 16 * 1024> piece{};
        const ssize_t count = recv(socket_, piece.data(), piece.size(), 0);
        if (count < 0) return errno == EINTR || errno == EAGAIN;
        if (count == 0) return false;
        if (is_draining_) return true;
        input_.append(piece.data(), static_cast<std::size_t>(count));
        return parse(handler, go_on);
    }

    bool parse(const request_handler& handler, bool& go_on) {
        while (!input_.empty() && output_.empty()) {
            boost::system::error_code error;
            const std::size_t used = parser_->put(boost::asio::buffer(input_), error);
            input_.erase(0, used);
            if (error == http::error::need_more) return input_.size() <= 32UL * 1024;
            if (error == http::error::body_limit || error == http::error::header_limit) return refuse(413);
            if (error) return refuse(400);
            // Beast 1.81 asserts when the last trailer comes in pieces; the daemon always says the length.
            if (parser_->is_header_done() && parser_->chunked()) return refuse(411);
            if (!parser_->is_done()) continue;
            const auto& message = parser_->get();
            received_request request{std::string(message.method_string()), {}, message.body()};
            for (const auto& field : message) {
                std::string name(field.name_string());
                std::transform(name.begin(), name.end(), name.begin(), [](char c) {
                    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
                });
                request.headers.emplace(std::move(name), std::string(field.value()));
            }
            const bool keep = message.keep_alive();
            begin();
            answer(handler(request, go_on), keep && go_on);
            return write(handler, go_on);
        }
        return true;
    }

    /// The request was not read whole: its rest is on the way.
    bool refuse(int status) {
        is_draining_ = true;
        return answer(status, false);
    }

    bool answer(int status, bool keep) {
        const auto reason = std::string(http::obsolete_reason(static_cast<http::status>(status)));
        output_ = fmt::format(
            "HTTP/1.1 {} {}\r\n{}{}\r\n", status, reason, status == 204 ? "" : "Content-Length: 0\r\n",
            keep ? "" : "Connection: close\r\n");
        keep_ = keep;
        deadline_ = now() + client_patience;
        return true;
    }

    bool write(const request_handler& handler, bool& go_on) {
        while (!output_.empty()) {
            const ssize_t count = send(socket_, output_.data(), output_.size(), MSG_NOSIGNAL);
            if (count < 0) return errno == EINTR || errno == EAGAIN;
            output_.erase(0, static_cast<std::size_t>(count));
        }
        if (is_draining_) {
            deadline_ = now() + drain_patience;
            return shutdown(socket_, SHUT_WR) == 0;
        }
        return keep_ && parse(handler, go_on);
    }

    int socket_;
    std::unique_ptr<http::request_parser<http::string_body>> parser_;
    std::string input_;
    std::string output_;
    bool keep_ = true;
    bool is_draining_ = false;
    steady_time deadline_{};
};

receiver_server::receiver_server(const std::string& address, const stop_signal& stop) : stop_(stop) {
    constexpr std::string_view local = "unix:";
    if (address.starts_with(local)) {
        listen_on_unix(address.substr(local.size()));
    } else {
        listen_on_tcp(address);
    }
}

receiver_server::~receiver_server() {
    connections_.clear();
    if (listener_ >= 0) close(listener_);
    if (!unlink_path_.empty()) unlink(unlink_path_.c_str());
}

void receiver_server::listen_on_tcp(const std::string& address) {
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : address.substr(colon + 1);
    host = std::string(without_brackets(host));
    if (host.empty() || is_localhost(host)) host = "127.0.0.1";
    boost::system::error_code error;
    const auto ip = boost::asio::ip::make_address(host, error);
    const bool is_port = !port.empty() && port.size() <= 5 &&
                         port.find_first_not_of("0123456789") == std::string::npos && std::stoul(port) <= 65535;
    if (error || !is_port)
        throw command_failure(
            exit_status::usage, fmt::format("'{}' is not HOST:PORT, as 127.0.0.1:8080", printable(address)));
    if (!net::is_loopback_address(ip)) {
        throw command_failure(
            exit_status::usage,
            "listen is for trying things out on this machine: give a loopback address, as 127.0.0.1:8080");
    }
    const auto number = static_cast<std::uint16_t>(std::stoul(port));
    sockaddr_storage storage{};
    socklen_t length = 0;
    if (ip.is_v4()) {
        auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
        v4->sin_family = AF_INET;
        v4->sin_port = htons(number);
        v4->sin_addr.s_addr = htonl(ip.to_v4().to_uint());
        length = sizeof *v4;
    } else {
        auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(number);
        const auto bytes = ip.to_v6().to_bytes();
        std::copy(bytes.begin(), bytes.end(), v6->sin6_addr.s6_addr);
        length = sizeof *v6;
    }
    listener_ = socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int yes = 1;
    if (listener_ < 0 || setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        bind(listener_, reinterpret_cast<sockaddr*>(&storage), length) != 0 || listen(listener_, 64) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
        cannot_listen(address, std::strerror(errno));
    }
    const std::uint16_t bound = ip.is_v4() ? ntohs(reinterpret_cast<sockaddr_in*>(&storage)->sin_port)
                                           : ntohs(reinterpret_cast<sockaddr_in6*>(&storage)->sin6_port);
    url_ = ip.is_v4() ? fmt::format("http://{}:{}/", host, bound) : fmt::format("http://[{}]:{}/", host, bound);
}

void receiver_server::listen_on_unix(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof address.sun_path)
        cannot_listen(path, "a socket's path has 1 to 107 bytes");
    path.copy(address.sun_path, path.size());
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
        cannot_listen(path, std::strerror(errno));
    unlink_path_ = path;
    if (listen(listener_, 64) != 0) cannot_listen(path, std::strerror(errno));
    url_ = fmt::format("http+unix://{}:/", path);
}

void receiver_server::accept_one() {
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket >= 0) connections_.push_back(std::make_unique<connection>(socket));
}

void receiver_server::run(const request_handler& handler) {
    bool go_on = true;
    while (go_on) {
        std::vector<pollfd> watched;
        steady_time next = now() + seconds(60);
        for (const auto& one : connections_) {
            watched.push_back({one->socket(), one->wanted(), 0});
            next = std::min(next, one->deadline());
        }
        if (connections_.size() < most_connections) watched.push_back({listener_, POLLIN, 0});
        if (stop_.wait(watched, next) == wait_result::stopped) return;
        std::vector<std::unique_ptr<connection>> kept;
        for (std::size_t i = 0; i < connections_.size(); ++i) {
            const bool ready = watched[i].revents != 0;
            const bool stays = ready ? connections_[i]->on_ready(handler, go_on) : now() < connections_[i]->deadline();
            if (stays) kept.push_back(std::move(connections_[i]));
        }
        const bool caller = watched.size() > connections_.size() && watched.back().revents != 0;
        connections_ = std::move(kept);
        if (caller) accept_one();
    }
}

} // namespace prooftrack::ctl
