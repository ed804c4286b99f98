#include "net/proxy_tunnel.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <openssl/crypto.h>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>

#include "net/deadline.hpp"
#include "net/error.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;

namespace {

constexpr std::string_view operation_prefix = "proxy ";

error_code translate_read_error(error_code error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
        return make_error_code(net_error::header_too_large);
    if (error == http::error::end_of_stream) return make_error_code(net_error::closed_before_reply);
    if (error == http::error::partial_message) return make_error_code(net_error::truncated_reply);
    if (error.category() == make_error_code(http::error::bad_version).category())
        return make_error_code(net_error::not_http);
    return error;
}

/// With its standard words: what the proxy itself wrote there comes from outside.
std::string describe_status(http::status known, unsigned status) {
    if (known == http::status::unknown) return std::to_string(status);
    const auto reason = http::obsolete_reason(known);
    return fmt::format("{} {}", status, std::string_view(reason.data(), reason.size()));
}

/// What a person can do about a status that is not 2xx.
std::string_view advise_on_status(unsigned status, bool has_credentials) {
    switch (status) {
    case 401:
    case 407:
        return has_credentials ? "it does not accept the user and password that it was given"
                               : "it wants a user and a password: name a file with them in proxy_credentials_file";
    case 403:
        return "its rules do not allow that host and port";
    case 502:
    case 503:
    case 504:
        return "it cannot reach that host";
    default:
        return "look at its log";
    }
}

/// One tunnel while it is being made. Keeps itself alive through the handlers of its operations.
class proxy_tunnel : public std::enable_shared_from_this<proxy_tunnel> {
  public:
    using handler_type = unique_function<void(op_result<tcp::socket>)>;

    proxy_tunnel(
        const asio::any_io_executor& loop, http_proxy proxy, const std::string& host, std::uint16_t port,
        handler_type handler)
        : loop_(loop), proxy_(std::move(proxy)), target_(format_host_and_port(host, port)),
          handler_(std::move(handler)), buffer_(max_proxy_reply_bytes), limit_(loop) {}

    ~proxy_tunnel() { wipe_request(); }

    void start(host_resolver& resolver, connect_options options) {
        limit_.start(options.total, [this] { give_up(net_error::timed_out); });
        connect_options direct; // the addresses are the proxy's: the target's filter does not concern them
        direct.per_address = options.per_address;
        direct.head_start = options.head_start;
        direct.total = options.total;
        auto connected = [self = shared_from_this()](op_result<tcp::socket> socket) {
            self->cancel_connect_ = {};
            if (self->handler_) self->on_connected(std::move(socket));
        };
        cancel_connect_ =
            connect_tcp(loop_, resolver, proxy_.at.host, proxy_.at.port, std::move(direct), std::move(connected));
    }

    void give_up(net_error why) {
        if (!handler_ || failure_) return;
        failure_ = op_error{make_error_code(why), operation(), fmt::format("{} {}", stage_, target_)};
        if (cancel_connect_) std::exchange(cancel_connect_, {})();
        if (socket_) close();
        // Whoever gives up may be inside a call of its own: the handler runs from the loop.
        asio::post(loop_, [self = shared_from_this()] { self->finish(); });
    }

  private:
    std::string operation() const { return std::string(operation_prefix) + describe(proxy_); }

    void on_connected(op_result<tcp::socket> socket) {
        if (failure_) return; // gave up: finish() is on its way
        if (socket.has_error()) {
            const bool is_lookup = socket.error().operation.starts_with("resolve");
            return fail(socket.error().code, is_lookup ? "its name cannot be resolved" : "");
        }
        socket_.emplace(std::move(*socket));
        stage_ = "asking for";
        request_ = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n", target_);
        if (!proxy_.authorization.empty()) {
            request_.reserve(request_.size() + proxy_.authorization.reveal().size() + 32); // no copy stays behind
            request_.append("Proxy-Authorization: ").append(proxy_.authorization.reveal()).append("\r\n");
        }
        request_.append("\r\n");
        asio::async_write(*socket_, asio::buffer(request_), [self = shared_from_this()](error_code error, std::size_t) {
            self->on_asked(error);
        });
    }

    void on_asked(error_code error) {
        wipe_request();
        if (!handler_ || failure_) return;
        // A proxy may answer and close without reading it all: what it says is worth more than our broken pipe.
        if (error && error != asio::error::broken_pipe && error != asio::error::connection_reset)
            return fail(error, "");
        stage_ = "no reply to CONNECT";
        parser_.header_limit(max_proxy_reply_bytes);
        parser_.skip(true); // a 2xx to CONNECT has no body, whatever its fields say; of others none is read
        http::async_read_header(
            *socket_, buffer_, parser_,
            [self = shared_from_this()](error_code failed, std::size_t) { self->on_reply(failed); });
    }

    void on_reply(error_code error) {
        if (!handler_ || failure_) return;
        if (error) return fail(translate_read_error(error), fmt::format("CONNECT {}", target_));
        const unsigned status = parser_.get().result_int();
        if (status / 100 != 2) {
            return fail(
                make_error_code(net_error::proxy_refused),
                fmt::format(
                    "it answered {} to CONNECT {}: {}", describe_status(parser_.get().result(), status), target_,
                    advise_on_status(status, !proxy_.authorization.empty())));
        }
        // Those would be lost to whoever reads on, and nobody has asked the target for anything yet.
        if (buffer_.size() > 0)
            return fail(
                make_error_code(net_error::not_http), fmt::format("bytes behind its reply to CONNECT {}", target_));
        finish();
    }

    void fail(error_code code, std::string detail) {
        failure_ = op_error{code, operation(), std::move(detail)};
        if (socket_) close();
        finish();
    }

    void finish() {
        if (!handler_) return;
        limit_.finish();
        auto handler = std::exchange(handler_, {});
        if (failure_) return handler(std::move(*failure_));
        handler(std::move(*socket_));
    }

    void close() {
        error_code ignored;
        socket_->close(ignored);
    }

    void wipe_request() {
        OPENSSL_cleanse(request_.data(), request_.size());
        request_.clear();
    }

    asio::any_io_executor loop_;
    http_proxy proxy_;
    std::string target_;   ///< HOST:PORT
    handler_type handler_; // empty = finished
    const char* stage_ = "connecting for";
    std::string request_; ///< holds the credentials until it is written
    boost::beast::flat_buffer buffer_;
    http::response_parser<http::empty_body> parser_;
    deadline limit_;
    unique_function<void()> cancel_connect_;
    std::optional<tcp::socket> socket_;
    std::optional<op_error> failure_;
};

} // namespace

unique_function<void()> connect_through_proxy(
    asio::any_io_executor loop, host_resolver& resolver, http_proxy proxy, std::string host, std::uint16_t port,
    connect_options options, unique_function<void(op_result<tcp::socket>)> handler) {
    auto tunnel = std::make_shared<proxy_tunnel>(loop, std::move(proxy), host, port, std::move(handler));
    tunnel->start(resolver, std::move(options));
    return [weak = std::weak_ptr<proxy_tunnel>(tunnel)] {
        if (const auto alive = weak.lock()) alive->give_up(net_error::cancelled);
    };
}

bool is_proxy_failure(const op_error& error) { return error.operation.starts_with(operation_prefix); }

} // namespace prooftrack::net
