#include "prooftrackctl/api_client.hpp"

#include <array>
#include <cerrno>
#include <cstring>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace prooftrack {

namespace {

namespace http = boost::beast::http;
namespace errc = boost::system::errc;

constexpr milliseconds connect_patience{5'000};
constexpr std::size_t piece_size = 64UL * 1024;
constexpr int most_interim_replies = 8;

op_error system_failure(const char* operation, int error) {
    return {error_code(error, boost::system::system_category()), operation, ""};
}

op_error failure(const char* operation, errc::errc_t code, std::string detail = "") {
    return {errc::make_error_code(code), operation, std::move(detail)};
}

steady_time within(milliseconds span) { return std::chrono::steady_clock::now() + span; }

std::string head_of(const api_request& request) {
    std::string head = fmt::format("{} {} HTTP/1.1\r\nHost: prooftrackd\r\nUser-Agent: prooftrackctl\r\n",
                                   request.method, request.target);
    for (const auto& [name, value] : request.headers) head += fmt::format("{}: {}\r\n", name, value);
    if (!request.content_type.empty()) head += fmt::format("Content-Type: {}\r\n", request.content_type);
    if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
        head += fmt::format("Content-Length: {}\r\n", request.body.size());
    }
    head += "\r\n";
    return head;
}

bool is_readable(int socket) {
    pollfd one{socket, POLLIN, 0};
    return poll(&one, 1, 0) > 0;
}

using reply_parser = http::response_parser<http::buffer_body>;

std::unique_ptr<reply_parser> new_parser() {
    auto parser = std::make_unique<reply_parser>();
    parser->eager(true);
    parser->header_limit(16 * 1024);
    parser->body_limit(boost::none); // counted by the caller: a backup has no limit
    return parser;
}

} // namespace

api_client::api_client(std::string socket_path, const stop_signal& stop) : path_(std::move(socket_path)), stop_(stop) {}

api_client::~api_client() { disconnect(); }

void api_client::disconnect() {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    reused_ = false;
}

op_result<void> api_client::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path_.size() >= sizeof address.sun_path) return system_failure("connect", ENAMETOOLONG);
    path_.copy(address.sun_path, path_.size());
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return system_failure("socket", errno);
    socket_ = fd;
    reused_ = false;
    const steady_time deadline = within(connect_patience);
    // A Unix socket whose backlog is full says EAGAIN and cannot be polled for room: ask again.
    for (;;) {
        if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return {};
        const int error = errno;
        if (error != EAGAIN && error != EINTR) {
            disconnect();
            return system_failure("connect", error);
        }
        if (!stop_.sleep(milliseconds(20))) return failure("connect", errc::interrupted);
        if (std::chrono::steady_clock::now() >= deadline) {
            disconnect();
            return failure("connect", errc::timed_out, "the daemon does not accept connections");
        }
    }
}

op_result<void> api_client::send(std::string_view bytes, milliseconds patience) {
    while (!bytes.empty()) {
        const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (count > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(count));
            continue;
        }
        if (errno == EINTR) continue;
        if (errno == EPIPE || errno == ECONNRESET)
            return {}; // a refusal may still be there to be read; if not, reading tells
        if (errno != EAGAIN) return system_failure("send request", errno);
        // A reply that comes before everything was sent is a refusal: reading it says more than going on.
        std::vector<pollfd> watched{{socket_, POLLOUT | POLLIN, 0}};
        switch (stop_.wait(watched, within(patience))) {
        case wait_result::stopped:
            return failure("send request", errc::interrupted);
        case wait_result::timed_out:
            return failure("send request", errc::timed_out);
        case wait_result::ready:
            break;
        }
        if ((watched.front().revents & POLLIN) != 0) return {};
    }
    return {};
}

op_result<api_reply> api_client::read_reply(const api_request& request, const body_sink* sink, bool& whole,
                                            bool& any_byte) {
    auto parser = new_parser();
    std::array<char, piece_size> input{};
    std::array<char, piece_size> output{};
    std::size_t filled = 0;
    int interim = 0;
    api_reply reply;
    bool ended = false;
    while (!parser->is_done()) {
        if (!ended && filled < input.size()) {
            switch (stop_.wait(socket_, POLLIN, within(request.patience))) {
            case wait_result::stopped:
                return failure("read reply", errc::interrupted);
            case wait_result::timed_out:
                return failure("read reply", errc::timed_out);
            case wait_result::ready:
                break;
            }
            const ssize_t count = recv(socket_, input.data() + filled, input.size() - filled, 0);
            if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
            if (count < 0) return system_failure("read reply", errno);
            ended = count == 0;
            filled += static_cast<std::size_t>(count);
            any_byte = any_byte || count > 0;
        }
        error_code error;
        for (bool more = true; more && !parser->is_done();) {
            auto& body = parser->get().body();
            body.data = output.data();
            body.size = output.size();
            body.more = true;
            const std::size_t used = parser->put(boost::asio::buffer(input.data(), filled), error);
            filled -= used;
            std::memmove(input.data(), input.data() + used, filled);
            const std::string_view piece(output.data(), output.size() - body.size);
            more = used > 0 || error == http::error::need_buffer;
            if (error == http::error::need_buffer || error == http::error::need_more) error = {};
            if (error) return failure("read reply", errc::protocol_error, error.message());
            if (piece.empty()) continue;
            const unsigned status = parser->get().result_int();
            if (sink != nullptr && status / 100 == 2) {
                if (!(*sink)(piece)) {
                    disconnect();
                    reply.status = static_cast<int>(status);
                    return reply;
                }
            } else {
                reply.body += piece;
                if (reply.body.size() > max_reply_body)
                    return failure("read reply", errc::message_size, "the reply is too large");
            }
        }
        if (parser->is_done() && parser->get().result_int() / 100 == 1) {
            if (++interim > most_interim_replies)
                return failure("read reply", errc::protocol_error, "too many interim replies");
            parser = new_parser();
            continue;
        }
        if (ended && !parser->is_done()) {
            // Beast takes the end of a message only once it has begun.
            if (!parser->got_some()) return failure("read reply", errc::connection_reset);
            parser->put_eof(error);
            if (error) return failure("read reply", errc::connection_reset, "the daemon closed the connection");
        }
    }
    whole = true;
    reply.status = static_cast<int>(parser->get().result_int());
    reply.content_type = parser->get()[http::field::content_type];
    reused_ = parser->keep_alive() && !ended && filled == 0;
    if (!reused_) disconnect();
    return reply;
}

op_result<api_reply> api_client::attempt(const api_request& request, const body_sink* sink, bool& whole) {
    for (int round = 0;; ++round) {
        const bool was_kept = socket_ >= 0 && reused_ && !is_readable(socket_); // readable while idle = closed
        if (!was_kept) {
            disconnect();
            if (const auto connected = connect(); !connected) return connected.error();
        }
        bool any_byte = false;
        const auto sent = send(head_of(request) + request.body, request.patience);
        if (sent) {
            auto reply = read_reply(request, sink, whole, any_byte);
            if (reply) return reply;
            disconnect();
            if (!was_kept || any_byte || request.method != "GET" || round > 0 || stop_.requested())
                return reply.error();
        } else {
            disconnect();
            if (!was_kept || request.method != "GET" || round > 0 || stop_.requested()) return sent.error();
        }
    }
}

op_result<api_reply> api_client::exchange(const api_request& request) {
    bool whole = false;
    return attempt(request, nullptr, whole);
}

op_result<api_reply> api_client::stream(const api_request& request, const body_sink& sink, bool& whole) {
    whole = false;
    return attempt(request, &sink, whole);
}

std::string percent_encoded(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
                           c == '_' || c == '~' || c == '-';
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

} // namespace prooftrack
