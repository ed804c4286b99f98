#include "proof/wire.hpp"

#include <array>
#include <cerrno>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <fmt/format.h>

#include "base/expects.hpp"
#include "net/address_rules.hpp"
#include "net/connector.hpp"
#include "net/error.hpp"
#include "net/proxy_tunnel.hpp"

namespace prooftrack::proof {
namespace asio = boost::asio;
namespace {

/// The bytes of one read and, decrypted, of one step; used and done with inside one call, so one of each for all
/// connections of the thread.
thread_local std::array<char, 16 * 1024> received_bytes;
thread_local std::array<char, 16 * 1024> plain_bytes;

std::string describe_connect_error(const op_error& error) {
    if (error.code == net::net_error::address_not_allowed)
        return "connect: the host's address is not loopback, and plain http is for this machine alone: use https";
    if (net::is_proxy_failure(error)) return error.message();
    const bool timed_out = error.code == make_error_code(net::net_error::timed_out);
    const char* stage = error.operation.starts_with("resolve") ? "dns" : "connect";
    return fmt::format("{}: {}", stage, timed_out ? "timed out" : error.code.message());
}

} // namespace

wire::wire(
    asio::any_io_executor loop, std::shared_ptr<socket_watch> watch, std::shared_ptr<origin> where,
    wire_listener& listener)
    : loop_(std::move(loop)), watch_(std::move(watch)), origin_(std::move(where)), listener_(&listener) {}

wire::~wire() { close(); }

void wire::open(net::host_resolver& resolver, steady_duration connect_timeout) {
    expects(!std::exchange(was_opened_, true), "wire: opened twice");
    net::connect_options options;
    options.total = connect_timeout;
    options.route = origin_->route();
    // "localhost" is a name: whatever it resolves to must be loopback, or the token would travel in the clear.
    if (!origin_->uses_tls()) options.filter = net::is_loopback_address;
    auto handler = [self = shared_from_this()](op_result<asio::ip::tcp::socket> connected) {
        self->cancel_connect_ = {};
        if (self->listener_ == nullptr) return;
        if (!connected) {
            self->fail(wire_end::not_made, describe_connect_error(connected.error()));
        } else {
            self->take_socket(std::move(*connected));
        }
    };
    cancel_connect_ =
        connect_tcp(loop_, resolver, origin_->host(), origin_->port(), std::move(options), std::move(handler));
}

void wire::take_socket(asio::ip::tcp::socket socket) {
    error_code error;
    socket.non_blocking(true, error);
    int taken = -1;
    if (!error) taken = socket.release(error); // from here on the watch waits for it, not Asio
    if (!error && !watch_->add(taken, *this)) {
        error = error_code(errno, boost::system::system_category());
        ::close(taken);
    }
    if (error) return fail(wire_end::not_made, fmt::format("connect: {}", error.message()));
    socket_ = taken;
    if (!origin_->uses_tls()) return opened();
    tls_ = std::make_unique<tls_engine>(origin_->make_ssl());
    listener_->on_handshake_begins();
    if (listener_ == nullptr) return;
    shake_hands();
}

void wire::shake_hands() {
    const tls_step step = tls_->handshake();
    flush();
    if (step == tls_step::need_bytes) return;
    if (step != tls_step::done) return fail(wire_end::not_made, fmt::format("tls: {}", tls_->error_text()));
    open_ = true;
    listener_->on_open(true, tls_->resumed());
}

void wire::opened() {
    open_ = true;
    listener_->on_open(false, false);
}

void wire::on_ready(bool readable, bool writable) {
    const auto keep = shared_from_this(); // a listener that closes us may drop the last reference
    if (writable) {
        wait_writable(false);
        flush();
    }
    if (readable && listener_ != nullptr) read_some();
}

void wire::read_some() {
    const ssize_t size = ::recv(socket_, received_bytes.data(), received_bytes.size(), 0);
    if (size > 0) return take_received({received_bytes.data(), static_cast<std::size_t>(size)});
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    const char* stage = open_ ? "reply" : "tls";
    const std::string reason =
        size == 0 ? "connection closed" : error_code(errno, boost::system::system_category()).message();
    const bool in_order = size == 0 && !tls_;
    const wire_end how = !open_ ? wire_end::not_made : in_order ? wire_end::clean : wire_end::cut;
    fail(how, fmt::format("{}: {}", stage, reason));
}

void wire::take_received(std::string_view bytes) {
    if (!tls_) {
        listener_->on_bytes(bytes);
    } else {
        take_encrypted(bytes);
    }
    if (listener_ != nullptr && open_) listener_->on_drained();
}

void wire::take_encrypted(std::string_view bytes) {
    tls_->receive(bytes);
    if (!open_) shake_hands();
    // What came with the end of the handshake is read on: a session ticket, for one.
    while (listener_ != nullptr && open_) {
        std::size_t got = 0;
        const tls_step step = tls_->read(plain_bytes, got);
        switch (step) {
        case tls_step::done:
            listener_->on_bytes(std::string_view(plain_bytes.data(), got));
            if (!tls_->drained()) break; // nearly always it is: a reply is one record
            [[fallthrough]];
        case tls_step::need_bytes:
            if (!tls_->outgoing().empty()) flush(); // an answer to a key update
            return;
        case tls_step::closed:
            return fail(wire_end::clean, "reply: connection closed");
        case tls_step::failed:
            flush(); // the alert says to the peer what was wrong
            return fail(wire_end::cut, fmt::format("tls: {}", tls_->error_text()));
        }
    }
}

void wire::fail(wire_end how, std::string text) {
    wire_listener* listener = std::exchange(listener_, nullptr);
    close();
    if (listener != nullptr) listener->on_end(how, std::move(text));
}

void wire::send(std::string_view bytes) {
    expects(open_, "wire: bytes were sent before it is open");
    if (tls_) {
        tls_->write(bytes); // a failure ends the connection, which the read reports
    } else {
        unsent_.append(bytes);
    }
    flush();
}

void wire::flush() {
    std::string& out = tls_ ? tls_->outgoing() : unsent_;
    if (writing_ || out.empty() || socket_ < 0) return;
    const ssize_t sent = ::send(socket_, out.data(), out.size(), MSG_NOSIGNAL);
    const bool is_full = sent < 0 && (errno == EAGAIN || errno == EINTR);
    if (sent == static_cast<ssize_t>(out.size()) || (sent < 0 && !is_full)) {
        out.clear(); // sent, or the peer is gone: the read will say how, after what it still sent
        return;
    }
    if (sent > 0) out.erase(0, static_cast<std::size_t>(sent));
    wait_writable(true);
}

void wire::wait_writable(bool wanted) {
    writing_ = wanted;
    watch_->want_writable(socket_, *this, wanted);
}

void wire::close() {
    listener_ = nullptr;
    if (cancel_connect_) std::exchange(cancel_connect_, {})();
    if (socket_ < 0) return;
    if (tls_ && open_) {
        tls_->shutdown();
        flush();
    }
    const int socket = std::exchange(socket_, -1);
    watch_->remove(socket, *this);
    ::close(socket);
}

void wire::keep_session() {
    if (tls_ && open_) origin_->keep_session(*tls_);
}

} // namespace prooftrack::proof
