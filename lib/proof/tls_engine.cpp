#include "proof/tls_engine.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>

#include "base/expects.hpp"
#include "net/tls_peer.hpp"

namespace prooftrack::proof {

/// OpenSSL's view of the engine: a BIO that reads what was received and appends what is to be sent.
struct tls_engine_bio {
    static tls_engine& engine_of(BIO* bio) { return *static_cast<tls_engine*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* into, int size) {
        tls_engine& engine = engine_of(bio);
        BIO_clear_retry_flags(bio);
        if (engine.incoming_.empty()) {
            BIO_set_retry_read(bio);
            return -1;
        }
        const std::size_t taken = std::min(engine.incoming_.size(), static_cast<std::size_t>(size));
        std::memcpy(into, engine.incoming_.data(), taken);
        engine.incoming_.remove_prefix(taken);
        return static_cast<int>(taken);
    }

    static int write(BIO* bio, const char* from, int size) {
        BIO_clear_retry_flags(bio);
        engine_of(bio).outgoing_.append(from, static_cast<std::size_t>(size));
        return size;
    }

    static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

    static BIO_METHOD* make() {
        BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls_engine");
        if (method == nullptr) throw std::bad_alloc();
        BIO_meth_set_read(method, &tls_engine_bio::read);
        BIO_meth_set_write(method, &tls_engine_bio::write);
        BIO_meth_set_ctrl(method, &tls_engine_bio::control);
        return method;
    }
};

namespace {

BIO_METHOD* engine_method() {
    static BIO_METHOD* const method = tls_engine_bio::make(); // lives as long as the process, as OpenSSL wants it
    return method;
}

/// The newest of OpenSSL's errors; empties its queue.
std::string take_error(SSL* ssl) {
    const unsigned long code = ERR_peek_last_error();
    ERR_clear_error();
    const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    std::string text = reason == nullptr ? "connection closed" : reason;
    std::string advice = net::describe_certificate_fault(ssl);
    if (advice.empty()) advice = net::advise_on_handshake(code);
    if (!advice.empty()) text += fmt::format(" ({})", advice);
    return text;
}

/// Errors that others left behind would be taken for ours. There are none nearly always, and looking costs less than
/// clearing.
void forget_old_errors() {
    if (ERR_peek_error() != 0) ERR_clear_error();
}

} // namespace

tls_engine::tls_engine(ssl_pointer ssl) : ssl_(std::move(ssl)) {
    BIO* bio = BIO_new(engine_method());
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio); // takes the one reference for both directions
    SSL_set_connect_state(ssl_.get());
}

tls_engine::~tls_engine() {
    // OpenSSL drops the session of a connection that was not shut down.
    if (SSL_is_init_finished(ssl_.get()) != 0) SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

void tls_engine::receive(std::string_view bytes) { incoming_ = bytes; }

tls_step tls_engine::handshake() {
    forget_old_errors();
    const int returned = SSL_do_handshake(ssl_.get());
    return returned == 1 ? tls_step::done : translate(returned);
}

tls_step tls_engine::read(std::span<char> into, std::size_t& got) {
    forget_old_errors();
    got = 0;
    const int returned = SSL_read_ex(ssl_.get(), into.data(), into.size(), &got);
    return returned == 1 ? tls_step::done : translate(returned);
}

bool tls_engine::write(std::string_view plain) {
    expects(SSL_is_init_finished(ssl_.get()) != 0, "tls_engine: bytes were written before the handshake is over");
    forget_old_errors();
    std::size_t written = 0;
    const int returned = SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written);
    if (returned == 1 && written == plain.size()) return true;
    error_ = take_error(ssl_.get());
    return false;
}

void tls_engine::shutdown() {
    ERR_clear_error();
    if (SSL_is_init_finished(ssl_.get()) != 0) SSL_shutdown(ssl_.get());
    ERR_clear_error();
}

bool tls_engine::drained() const { return incoming_.empty() && SSL_has_pending(ssl_.get()) == 0; }

bool tls_engine::resumed() const { return SSL_session_reused(ssl_.get()) != 0; }

session_pointer tls_engine::session() const {
    session_pointer session(SSL_get1_session(ssl_.get()));
    if (session && SSL_SESSION_is_resumable(session.get()) == 0) session.reset();
    return session;
}

tls_step tls_engine::translate(int returned) {
    switch (SSL_get_error(ssl_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
        return tls_step::need_bytes;
    case SSL_ERROR_ZERO_RETURN:
        return tls_step::closed;
    default:
        error_ = take_error(ssl_.get());
        return tls_step::failed;
    }
}

} // namespace prooftrack::proof
