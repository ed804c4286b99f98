#include "net/tls.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/host_rules.hpp"
#include "net/deadline.hpp"
#include "net/error.hpp"
#include "net/tls_peer.hpp"

namespace prooftrack::net {

namespace asio = boost::asio;

namespace {

struct session_deleter {
    void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using session_ptr = std::unique_ptr<SSL_SESSION, session_deleter>;

constexpr std::size_t max_remembered_hosts = 256;

} // namespace

/// The newest session of each `host:port`. TLS 1.3 tickets come with any read, so the streams that may get one share
/// it.
struct tls_client::session_cache {
    std::map<std::string, session_ptr, std::less<>> newest;

    void remember(const std::string& peer, session_ptr session) {
        if (newest.size() >= max_remembered_hosts && !newest.contains(peer)) newest.erase(newest.begin());
        newest[peer] = std::move(session);
    }
};

namespace {

/// What an SSL object knows about its peer; owned by the SSL object.
struct peer_note {
    std::shared_ptr<void> cache;
    std::string peer;
    void (*remember)(void* cache, const std::string& peer, SSL_SESSION* session);
};

void free_note(void*, void* note, CRYPTO_EX_DATA*, int, long, void*) { delete static_cast<peer_note*>(note); }

int note_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, &free_note);
    return index;
}

int on_new_session(SSL* ssl, SSL_SESSION* session) {
    const auto* note = static_cast<const peer_note*>(SSL_get_ex_data(ssl, note_index()));
    if (note == nullptr) return 0;
    note->remember(note->cache.get(), note->peer, session);
    return 1; // the session's reference is ours now
}

/// What a person can do about a failed handshake.
std::string handshake_advice(const SSL* ssl, error_code error) {
    std::string fault = describe_certificate_fault(ssl);
    if (!fault.empty() || error.category() != asio::error::get_ssl_category()) return fault;
    return advise_on_handshake(static_cast<unsigned long>(error.value()));
}

} // namespace

void tls_closer::operator()(tls_stream* stream) const noexcept {
    // A connection freed without a shutdown takes its session with it; this marks both sides as closed without a round
    // trip.
    SSL_set_shutdown(stream->native_handle(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    delete stream;
}

asio::ssl::context make_tls_context(const trust_roots& trust, const client_identity& identity) {
    asio::ssl::context context(asio::ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
    // One RSS page less for each idle connection, and no surprise from a peer that asks for renegotiation.
    SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context.native_handle(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    context.set_verify_mode(asio::ssl::verify_peer);
    // An issuing authority is enough, without the root above it, as for curl.
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
    error_code error;
    if (trust.is_system())
        context.set_default_verify_paths(error);
    else
        context.add_certificate_authority(asio::buffer(trust.pem()), error);
    if (error) {
        const std::string what = trust.is_system()
                                     ? "the system's certificate authorities"
                                     : fmt::format("ca_file \"{}\" (a PEM bundle of certificates)", trust.file());
        throw boost::system::system_error(error, "cannot load " + what);
    }
    if (const auto fault = use_identity(context.native_handle(), identity))
        throw boost::system::system_error(make_error_code(boost::system::errc::invalid_argument), fault->text);
    return context;
}

namespace {

std::uint64_t next_serial() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
}

} // namespace

tls_client::tls_client(const trust_roots& trust, const client_identity& identity)
    : serial_(next_serial()), context_(make_tls_context(trust, identity)),
      sessions_(std::make_shared<session_cache>()) {
    SSL_CTX_set_session_cache_mode(context_.native_handle(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
    SSL_CTX_sess_set_new_cb(context_.native_handle(), &on_new_session);
}

tls_client::~tls_client() = default;

asio::ssl::context& tls_client::context() { return context_; }

void tls_client::forget_sessions() { sessions_->newest.clear(); }

tls_stream_ptr tls_client::make_stream(asio::ip::tcp::socket socket, const std::string& host, std::uint16_t port) {
    tls_stream_ptr stream(new tls_stream(std::move(socket), context_));
    SSL* ssl = stream->native_handle();
    const std::string name(without_final_dot(host));
    bool prepared = expect_peer(ssl, name);
    auto note = std::make_unique<peer_note>();
    note->cache = sessions_;
    note->peer = fmt::format("{}:{}", name, port);
    note->remember = [](void* cache, const std::string& peer, SSL_SESSION* session) {
        static_cast<session_cache*>(cache)->remember(peer, session_ptr(session));
    };
    const auto known = sessions_->newest.find(note->peer);
    prepared = prepared && SSL_set_ex_data(ssl, note_index(), note.get()) == 1;
    // Without the name to check, the handshake would trust anybody's certificate.
    if (!prepared) throw std::runtime_error("OpenSSL refused to prepare a connection to " + name);
    note.release(); // NOLINT(bugprone-unused-return-value): the SSL object owns it now, see free_note
    if (known != sessions_->newest.end() && SSL_SESSION_is_resumable(known->second.get()) == 1)
        SSL_set_session(ssl, known->second.get());
    return stream;
}

bool was_resumed(const tls_stream& stream) {
    return SSL_session_reused(const_cast<tls_stream&>(stream).native_handle()) == 1; // NOLINT: reads only
}

asio::awaitable<op_result<void>> async_tls_handshake(tls_stream& stream, steady_duration within) {
    deadline limit(stream.get_executor());
    auto close = [&stream] {
        error_code ignored;
        stream.next_layer().close(ignored);
    };
    limit.start(within, close);
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await stream.async_handshake(asio::ssl::stream_base::client, token);
    limit.finish();
    if (!error && !limit.expired()) co_return op_result<void>();
    std::string fault = handshake_advice(stream.native_handle(), error);
    close();
    op_error failure{limit.translate(error), "TLS handshake", std::move(fault)};
    co_return failure;
}

} // namespace prooftrack::net
