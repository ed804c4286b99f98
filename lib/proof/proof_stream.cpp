#include "proof/proof_stream.hpp"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/expects.hpp"
#include "net/address_rules.hpp"
#include "net/connector.hpp"
#include "net/error.hpp"
#include "net/proxy_tunnel.hpp"
#include "net/tls_peer.hpp"

namespace prooftrack::proof {
namespace asio = boost::asio;
namespace {

std::string describe_connect_error(const op_error& error) {
    if (error.code == net::net_error::address_not_allowed)
        return "connect: the host's address is not loopback, and plain http is for this machine alone: use https";
    if (net::is_proxy_failure(error)) return error.message();
    const bool timed_out = error.code == make_error_code(net::net_error::timed_out);
    const char* stage = error.operation.starts_with("resolve") ? "dns" : "connect";
    return fmt::format("{}: {}", stage, timed_out ? "timed out" : error.code.message());
}

} // namespace

proof_stream::proof_stream(loop_executor loop, std::shared_ptr<origin> where, std::string_view alpn)
    : loop_(loop), origin_(std::move(where)), alpn_(alpn), socket_(loop) {}

proof_stream::~proof_stream() {
    close();
    for (std::string* each : {&written_now_, &written_next_}) { // requests hold the token
        each->resize(each->capacity());
        OPENSSL_cleanse(each->data(), each->size());
    }
}

void proof_stream::open(net::host_resolver& resolver, steady_duration connect_timeout, stream_handler on_step) {
    expects(!std::exchange(was_opened_, true), "proof_stream: opened twice");
    on_step_ = std::move(on_step);
    net::connect_options options;
    options.total = connect_timeout;
    options.route = origin_->route();
    // "localhost" is a name: whatever it resolves to must be loopback, or the token would travel in the clear.
    if (!origin_->uses_tls()) options.filter = net::is_loopback_address;
    auto handler = [self = shared_from_this()](op_result<asio::ip::tcp::socket> connected) {
        self->cancel_connect_ = {};
        if (!self->on_step_) return; // closed
        if (!connected) {
            self->report(stream_step::failed, describe_connect_error(connected.error()));
        } else {
            self->take_socket(std::move(*connected));
        }
    };
    cancel_connect_ =
        connect_tcp(loop_, resolver, origin_->host(), origin_->port(), std::move(options), std::move(handler));
}

/// The connector's socket has a type-erased executor; ours takes over its descriptor.
void proof_stream::take_socket(asio::ip::tcp::socket connected) {
    error_code error;
    const auto protocol = connected.local_endpoint(error).protocol();
    int descriptor = -1;
    if (!error) descriptor = connected.release(error);
    if (!error) socket_.assign(protocol, descriptor, error);
    if (error && descriptor >= 0) ::close(descriptor);
    if (!error) socket_.non_blocking(true, error); // `close` sends its close_notify without waiting
    if (error) return report(stream_step::failed, fmt::format("connect: {}", error.message()));
    if (!origin_->uses_tls()) {
        open_ = true;
        return report(stream_step::open);
    }
    tls_.emplace(socket_, origin_->tls_context());
    origin_->prepare_tls(tls_->native_handle(), alpn_);
    report(stream_step::handshaking);
    if (on_step_) shake_hands();
}

void proof_stream::shake_hands() {
    tls_->async_handshake(asio::ssl::stream_base::client, [self = shared_from_this()](error_code error) {
        if (!self->on_step_) return; // closed
        if (error) return self->report(stream_step::failed, fmt::format("tls: {}", self->reason_of(error)));
        self->open_ = true;
        self->report(stream_step::open);
    });
}

void proof_stream::report(stream_step step, const std::string& why) {
    stream_handler handler = std::exchange(on_step_, {}); // it may close us, which must not destroy it meanwhile
    handler(step, why);
    if (step == stream_step::handshaking && socket_.is_open()) on_step_ = std::move(handler);
}

bool proof_stream::resumed() const {
    return tls_ && SSL_session_reused(const_cast<tls_stream&>(*tls_).native_handle()) != 0; // NOLINT: reads only
}

std::string_view proof_stream::alpn() const {
    const unsigned char* chosen = nullptr;
    unsigned int size = 0;
    if (tls_) SSL_get0_alpn_selected(const_cast<tls_stream&>(*tls_).native_handle(), &chosen, &size); // NOLINT
    return {reinterpret_cast<const char*>(chosen), size};
}

void proof_stream::start_reading(stream_reader& reader, reading how) {
    expects(open_ && reader_ == nullptr, "proof_stream: reading begins once, when it is open");
    reader_ = &reader;
    how_ = how;
    read_some();
}

void proof_stream::read_some() {
    auto handler = [self = shared_from_this()](error_code error, std::size_t size) { self->on_read(error, size); };
    if (tls_) {
        tls_->async_read_some(asio::buffer(received_), std::move(handler));
    } else {
        socket_.async_read_some(asio::buffer(received_), std::move(handler));
    }
}

void proof_stream::on_read(error_code error, std::size_t size) {
    if (reader_ == nullptr) return; // closed
    if (!error && how_ == reading::all_that_came) {
        // A write that the socket has taken says so one turn later.
        if (!written_now_.empty() && !std::exchange(yielded_, true))
            return asio::post(loop_, [self = shared_from_this(), size] { self->on_read({}, size); });
        yielded_ = false;
        size = read_what_came(size, error);
    }
    if (size > 0) reader_->on_bytes({received_.data(), size});
    if (reader_ == nullptr) return; // closed from inside
    if (!error) return read_some();
    const bool of_tls = error.category() == asio::error::get_ssl_category();
    std::exchange(reader_, nullptr)
        ->on_end(error == asio::error::eof, fmt::format("{}: {}", of_tls ? "tls" : "reply", reason_of(error)));
}

/// Adds to the `size` bytes that were read what can be read without waiting; `error` is how the connection ended, if it
/// did. Not beside a write that waits: inside TLS a read can have something to write, too.
std::size_t proof_stream::read_what_came(std::size_t size, error_code& error) {
    while (!error && size < received_.size() && written_now_.empty()) {
        const asio::mutable_buffer rest = asio::buffer(received_) + size;
        size += tls_ ? tls_->read_some(rest, error) : socket_.read_some(rest, error);
    }
    if (error == asio::error::would_block) error = {};
    return size;
}

void proof_stream::send(std::string_view bytes) {
    expects(open_, "proof_stream: bytes were sent before it is open");
    written_next_.append(bytes);
    if (written_now_.empty()) write_on();
}

void proof_stream::send_at_once(std::string_view bytes) {
    expects(open_ && unsent() == 0, "proof_stream: bytes were sent beside others");
    const asio::const_buffer all = asio::buffer(bytes.data(), bytes.size());
    error_code error;
    const std::size_t sent = tls_ ? asio::write(*tls_, all, error) : asio::write(socket_, all, error);
    if (sent < bytes.size()) socket_.shutdown(asio::socket_base::shutdown_both, error); // the read says how it ended
}

void proof_stream::write_on() {
    written_now_.swap(written_next_);
    auto handler = [self = shared_from_this()](error_code error, std::size_t) { self->on_written(error); };
    if (tls_) {
        asio::async_write(*tls_, asio::buffer(written_now_), std::move(handler));
    } else {
        asio::async_write(socket_, asio::buffer(written_now_), std::move(handler));
    }
}

void proof_stream::on_written(error_code error) {
    written_now_.clear();
    if (error || !open_) return written_next_.clear(); // the peer is gone: the read says how, after what it still sent
    if (!written_next_.empty()) write_on();
}

std::string proof_stream::reason_of(error_code error) const {
    if (error == asio::error::eof || error == asio::ssl::error::stream_truncated) return "connection closed";
    if (error.category() != asio::error::get_ssl_category()) return error.message();
    const auto code = static_cast<unsigned long>(static_cast<unsigned int>(error.value()));
    const char* reason = ERR_reason_error_string(code);
    std::string text = reason == nullptr ? error.message() : reason;
    std::string advice = net::describe_certificate_fault(const_cast<tls_stream&>(*tls_).native_handle()); // NOLINT
    if (advice.empty()) advice = net::advise_on_handshake(code);
    if (!advice.empty()) text += fmt::format(" ({})", advice);
    return text;
}

void proof_stream::keep_session() {
    if (tls_ && open_) origin_->keep_session(tls_->native_handle());
}

void proof_stream::close() noexcept {
    on_step_ = {};
    reader_ = nullptr;
    if (cancel_connect_) std::exchange(cancel_connect_, {})();
    if (!socket_.is_open()) return;
    error_code ignored;
    if (tls_) {
        keep_session();
        if (open_) tls_->shutdown(ignored); // sends what it can and does not wait for the peer's
        // OpenSSL drops the session of a connection that was not shut down.
        if (open_) SSL_set_shutdown(tls_->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    }
    open_ = false;
    socket_.close(ignored);
}

} // namespace prooftrack::proof
