#include "proof/wire.hpp"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <fmt/format.h>

#include "net/connector.hpp"
#include "net/error.hpp"

namespace prooftrack {
namespace asio = boost::asio;
namespace {

/// Decrypted bytes of one step; used and done with inside one call, so one for all connections of the thread.
thread_local std::array<char, 16 * 1024> plain_bytes;

std::string describe_connect_error(const op_error& error) {
    const bool timed_out = error.code == make_error_code(net_error::timed_out);
    const char* stage = error.operation.starts_with("resolve") ? "dns" : "connect";
    return fmt::format("{}: {}", stage, timed_out ? "timed out" : error.code.message());
}

} // namespace

wire::wire(asio::any_io_executor loop, std::shared_ptr<origin> where, wire_listener& listener)
    : loop_(std::move(loop)), origin_(std::move(where)), listener_(&listener), socket_(loop_) {}

wire::~wire() = default;

void wire::open(host_resolver& resolver, steady_duration connect_timeout) {
    connect_options options;
    options.total = connect_timeout;
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
    socket_ = std::move(socket);
    error_code error;
    socket_.non_blocking(true, error); // `send` tries at once and must not wait
    if (error) return fail(wire_end::not_made, fmt::format("connect: {}", error.message()));
    if (!origin_->uses_tls()) return opened();
    tls_ = std::make_unique<tls_engine>(origin_->make_ssl());
    listener_->on_handshake_begins();
    if (listener_ == nullptr) return;
    shake_hands();
    if (listener_ != nullptr) read_some();
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
    if (listener_ != nullptr) read_some();
}

void wire::read_some() {
    socket_.async_read_some(asio::buffer(received_), [self = shared_from_this()](error_code error, std::size_t size) {
        if (self->listener_ == nullptr) return;
        if (!error) return self->take_received(size);
        const char* stage = self->open_ ? "reply" : "tls";
        const std::string reason = error == asio::error::eof ? "connection closed" : error.message();
        const bool in_order = error == asio::error::eof && !self->tls_;
        const wire_end how = !self->open_ ? wire_end::not_made : in_order ? wire_end::clean : wire_end::cut;
        self->fail(how, fmt::format("{}: {}", stage, reason));
    });
}

void wire::take_received(std::size_t size) {
    const auto keep = shared_from_this(); // a listener that closes us may drop the last reference
    const std::string_view bytes(received_.data(), size);
    if (!tls_) {
        listener_->on_bytes(bytes);
    } else {
        take_encrypted(bytes);
    }
    if (listener_ != nullptr && open_) listener_->on_drained();
    if (listener_ != nullptr) read_some();
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
            break;
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
    if (tls_) {
        tls_->write(bytes); // a failure ends the connection, which the read tells
    } else {
        unsent_.append(bytes);
    }
    flush();
}

void wire::flush() {
    std::string& out = tls_ ? tls_->outgoing() : unsent_;
    if (writing_ || out.empty() || !socket_.is_open()) return;
    error_code error;
    const std::size_t sent = socket_.write_some(asio::buffer(out), error);
    if (!error && sent == out.size()) {
        out.clear();
        return;
    }
    if (error && error != asio::error::would_block) {
        out.clear(); // the peer is gone: the read will say how, after what it still sent
        return;
    }
    out.erase(0, sent);
    wait_for_room();
}

void wire::wait_for_room() {
    writing_ = true;
    socket_.async_wait(asio::ip::tcp::socket::wait_write, [self = shared_from_this()](error_code error) {
        self->writing_ = false;
        if (!error && self->listener_ != nullptr) self->flush();
    });
}

void wire::close() {
    listener_ = nullptr;
    if (cancel_connect_) std::exchange(cancel_connect_, {})();
    if (!socket_.is_open()) return;
    if (tls_ && open_) {
        tls_->shutdown();
        flush();
    }
    error_code ignored;
    socket_.close(ignored);
}

void wire::keep_session() {
    if (tls_ && open_) origin_->keep_session(*tls_);
}

} // namespace prooftrack
