#include "tls_link.hpp"

#include <openssl/ssl.h>

#include <array>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/result.hpp"

namespace prooftrack::sandbox {
namespace {

namespace asio = boost::asio;

constexpr asio::as_tuple_t<asio::use_awaitable_t<>> as_pair{asio::use_awaitable};

constexpr auto handshake_timeout = seconds(10);
constexpr auto write_timeout = seconds(120);
constexpr auto goodbye_timeout = seconds(1);
constexpr std::string_view http2_name = "h2";

steady_time from_now(seconds wait) { return std::chrono::steady_clock::now() + wait; }

int select_protocol(
    SSL*, const unsigned char** chosen, unsigned char* chosen_length, const unsigned char* offered,
    unsigned offered_length, void*) {
    static constexpr std::string_view ours = "\x02h2\x08http/1.1";
    unsigned char* selected = nullptr;
    const int outcome = SSL_select_next_proto(
        &selected, chosen_length, reinterpret_cast<const unsigned char*>(ours.data()),
        static_cast<unsigned>(ours.size()), offered, offered_length);
    if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *chosen = selected;
    return SSL_TLSEXT_ERR_OK;
}

} // namespace

void offer_http2(asio::ssl::context& context) {
    SSL_CTX_set_alpn_select_cb(context.native_handle(), select_protocol, nullptr);
}

tls_link::tls_link(asio::ip::tcp::socket socket, asio::ssl::context& context)
    : stream_(std::move(socket), context), timer_(stream_.get_executor()), deadline_(from_now(handshake_timeout)) {}

asio::awaitable<bool> tls_link::shake_hands() {
    const auto [error] = co_await stream_.async_handshake(asio::ssl::stream_base::server, as_pair);
    co_return !error;
}

bool tls_link::resumed() { return SSL_session_reused(stream_.native_handle()) == 1; }

bool tls_link::speaks_http2() {
    const unsigned char* name = nullptr;
    unsigned length = 0;
    SSL_get0_alpn_selected(stream_.native_handle(), &name, &length);
    return std::string_view(reinterpret_cast<const char*>(name), length) == http2_name;
}

asio::awaitable<bool> tls_link::write(std::string& out) {
    if (out.empty()) co_return true;
    deadline_ = from_now(write_timeout);
    const auto bytes = asio::buffer(out);
    const auto [error, count] = co_await asio::async_write(stream_, bytes, as_pair);
    out.clear();
    co_return !error;
}

asio::awaitable<void> tls_link::say_goodbye() {
    deadline_ = from_now(goodbye_timeout);
    co_await stream_.async_shutdown(as_pair);
}

asio::awaitable<void> tls_link::drain() {
    deadline_ = from_now(goodbye_timeout);
    error_code error;
    stream_.next_layer().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    std::array<char, 4'096> ignored{};
    const auto space = asio::buffer(ignored);
    while (!error) {
        const auto [failed, count] = co_await stream_.next_layer().async_read_some(space, as_pair);
        error = failed;
    }
}

void tls_link::close() {
    error_code ignored;
    timer_.cancel();
    stream_.next_layer().close(ignored);
}

void tls_link::close_if_late(steady_time now) {
    if (now >= deadline_) close();
}

} // namespace prooftrack::sandbox
