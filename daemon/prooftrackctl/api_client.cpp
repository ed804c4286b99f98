#include "prooftrackctl/api_client.hpp"

#include <cerrno>
#include <cstring>
#include <memory>

#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace prooftrack::ctl {

namespace {

namespace http = boost::beast::http;
namespace errc = boost::system::errc;

constexpr milliseconds connect_patience{5'000};
constexpr int most_interim_replies = 8;

op_error system_failure(const char* operation, int error) {
    return {error_code(error, boost::system::system_category()), operation, ""};
}

op_error failure(const char* operation, errc::errc_t code, std::string detail = "") {
    return {errc::make_error_code(code), operation, std::move(detail)};
}

std::optional<op_error> unless_ready(const char* operation, wait_result waited) {
    switch (waited) {
    case wait_result::stopped:
        return failure(operation, errc::interrupted);
    case wait_result::timed_out:
        return failure(operation, errc::timed_out);
    case wait_result::ready:
        break;
    }
    return std::nullopt;
}

steady_time within(milliseconds span) { return std::chrono::steady_clock::now() + span; }

std::string head_of(const api_request& request) {
    std::string head = fmt::format(
        "{} {} HTTP/1.1\r\nHost: prooftrackd\r\nUser-Agent: prooftrackctl\r\n", request.method, request.target);
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

/// Takes one reply out of the bytes of a connection: to the sink when it is a good one, else into its body.
class reply_reader {
  public:
    explicit reply_reader(const body_sink* sink) : sink_(sink) {}

    bool is_done() const { return parser_->is_done(); }
    bool is_unwanted() const { return is_unwanted_; } ///< the sink has had enough
    bool keeps_alive() const { return parser_->keep_alive(); }
    api_reply reply() {
        reply_.status = status();
        if (parser_->is_done()) reply_.content_type = parser_->get()[http::field::content_type];
        return std::move(reply_);
    }

    /// Takes all that it can, interim replies too.
    std::optional<op_error> take(reply_input& input) {
        do {
            if (auto failed = parse(input)) return failed;
            if (!parser_->is_done() || status() / 100 != 1) return is_unwanted_ ? std::nullopt : end_of(input);
            parser_ = new_parser();
        } while (++interim_ <= most_interim_replies);
        return failure("read reply", errc::protocol_error, "too many interim replies");
    }

  private:
    int status() const { return static_cast<int>(parser_->get().result_int()); }

    std::optional<op_error> parse(reply_input& input) {
        for (bool more = true; more && !parser_->is_done() && !is_unwanted_;) {
            auto& body = parser_->get().body();
            body.data = output_.data();
            body.size = output_.size();
            body.more = true;
            error_code error;
            const std::size_t used = parser_->put(boost::asio::buffer(input.bytes.data(), input.filled), error);
            input.filled -= used;
            std::memmove(input.bytes.data(), input.bytes.data() + used, input.filled);
            more = used > 0 || error == http::error::need_buffer;
            if (error == http::error::need_buffer || error == http::error::need_more) error = {};
            if (error) return failure("read reply", errc::protocol_error, error.message());
            if (auto failed = deliver({output_.data(), output_.size() - body.size})) return failed;
        }
        return std::nullopt;
    }

    std::optional<op_error> deliver(std::string_view piece) {
        if (piece.empty()) return std::nullopt;
        if (sink_ != nullptr && status() / 100 == 2) {
            is_unwanted_ = !(*sink_)(piece);
            return std::nullopt;
        }
        reply_.body += piece;
        if (reply_.body.size() <= max_reply_body) return std::nullopt;
        return failure("read reply", errc::message_size, "the reply is too large");
    }

    std::optional<op_error> end_of(const reply_input& input) {
        if (!input.ended || parser_->is_done()) return std::nullopt;
        // Beast takes the end of a message only once it has begun.
        if (!parser_->got_some()) return failure("read reply", errc::connection_reset);
        error_code error;
        parser_->put_eof(error);
        if (error) return failure("read reply", errc::connection_reset, "the daemon closed the connection");
        return std::nullopt;
    }

    const body_sink* sink_;
    std::unique_ptr<reply_parser> parser_ = new_parser();
    std::array<char, reply_input::size> output_{};
    int interim_ = 0;
    bool is_unwanted_ = false;
    api_reply reply_;
};

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
    // A Unix socket whose backlog is full says EAGAIN and cannot be polled for a free place: try again.
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
            return {}; // a refusal may still be there to be read; if not, reading reports the error
        if (errno != EAGAIN) return system_failure("send request", errno);
        // A reply that comes before everything was sent is a refusal: reading it says more than going on.
        std::vector<pollfd> watched{{socket_, POLLOUT | POLLIN, 0}};
        const wait_result waited = stop_.wait(watched, within(patience));
        if (auto failed = unless_ready("send request", waited)) return *std::move(failed);
        if ((watched.front().revents & POLLIN) != 0) return {};
    }
    return {};
}

std::optional<op_error> api_client::receive(reply_input& input, milliseconds patience) {
    const wait_result waited = stop_.wait(socket_, POLLIN, within(patience));
    if (auto failed = unless_ready("read reply", waited)) return failed;
    const ssize_t count = recv(socket_, input.bytes.data() + input.filled, input.bytes.size() - input.filled, 0);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return std::nullopt;
    if (count < 0) return system_failure("read reply", errno);
    input.ended = count == 0;
    input.filled += static_cast<std::size_t>(count);
    return std::nullopt;
}

op_result<api_reply> api_client::read_reply(
    const api_request& request, const body_sink* sink, bool& whole, bool& any_byte) {
    reply_reader reader(sink);
    reply_input input;
    while (true) {
        if (auto failed = receive(input, request.patience)) return *std::move(failed);
        any_byte = any_byte || input.filled > 0;
        if (auto failed = reader.take(input)) return *std::move(failed);
        if (reader.is_done() || reader.is_unwanted()) break;
    }
    whole = reader.is_done();
    reused_ = whole && reader.keeps_alive() && !input.ended && input.filled == 0;
    if (!reused_) disconnect();
    return reader.reply();
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

} // namespace prooftrack::ctl
