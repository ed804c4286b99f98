#include "prooftrackctl/bridge/tcp_link.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/system/system_error.hpp>

#include "net/tls.hpp"
#include "net/tls_peer.hpp"
#include "net/trust_roots.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/input_file.hpp"

namespace prooftrack::ctl {

namespace {

broker_error failure(std::string_view doing, std::string_view why) {
    return {fmt::format("{}: {}", doing, why), false};
}

broker_error system_failure(std::string_view doing, int error) { return failure(doing, std::strerror(error)); }

steady_time deadline() { return std::chrono::steady_clock::now() + broker_patience; }

/// Waits without looking at signals: what was begun is written to its end.
bool wait_until_ready(int descriptor, short events, steady_time until) {
    for (;;) {
        const auto left = std::chrono::ceil<milliseconds>(until - std::chrono::steady_clock::now());
        if (left <= milliseconds(0)) return false;
        pollfd one{descriptor, events, 0};
        if (poll(&one, 1, static_cast<int>(left.count())) > 0) return true;
    }
}

std::string tls_fault(const SSL* ssl) {
    const unsigned long code = ERR_get_error();
    if (std::string fault = net::describe_certificate_fault(ssl); !fault.empty())
        return fault + ". Is the certificate one for this host, and its authority in --ca-file?";
    if (code == 0) return "the connection was closed";
    const char* reason = ERR_reason_error_string(code);
    return reason == nullptr ? "TLS failed" : reason;
}

} // namespace

tcp_link::tcp_link(const stop_signal& stop) : stop_(stop) {}

tcp_link::~tcp_link() { close(); }

void tcp_link::tls_deleter::operator()(SSL* ssl) const noexcept { SSL_free(ssl); }

void tcp_link::close() {
    tls_.reset();
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
}

std::optional<broker_error> tcp_link::open(const broker_access& access) {
    close();
    const steady_time until = deadline();
    auto failed = connect(access.url, until);
    if (!failed && access.url.is_tls) failed = begin_tls(access, until);
    if (failed) close();
    return failed;
}

std::optional<broker_error> tcp_link::connect(const broker_url& url, steady_time until) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const int status = getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
    if (status != 0) return failure("look up " + url.host, gai_strerror(status));
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, &freeaddrinfo);
    return connect_to_any(*found, until);
}

std::optional<broker_error> tcp_link::connect_to_any(const addrinfo& addresses, steady_time until) {
    std::ptrdiff_t left = 0;
    for (const addrinfo* each = &addresses; each != nullptr; each = each->ai_next) ++left;
    std::optional<broker_error> failed;
    for (const addrinfo* each = &addresses; each != nullptr; each = each->ai_next, --left) {
        const steady_time now = std::chrono::steady_clock::now();
        failed = connect_to(*each, now + (until - now) / left);
        if (!failed || stop_.requested()) return failed;
    }
    return failed;
}

std::optional<broker_error> tcp_link::connect_to(const addrinfo& address, steady_time until) {
    close();
    socket_ = socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (socket_ < 0) return system_failure("connect", errno);
    const int on = 1;
    setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(socket_, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    if (::connect(socket_, address.ai_addr, address.ai_addrlen) == 0) return std::nullopt;
    if (errno != EINPROGRESS) return system_failure("connect", errno);
    if (stop_.wait(socket_, POLLOUT, until) != wait_result::ready) return failure("connect", "no answer in time");
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return system_failure("connect", error);
    return std::nullopt;
}

std::optional<broker_error> tcp_link::begin_tls(const broker_access& access, steady_time until) {
    try {
        const net::trust_roots trust =
            access.ca_file.empty()
                ? net::trust_roots()
                : net::trust_roots(read_small_file(access.ca_file, net::max_ca_bytes, stop_), access.ca_file);
        boost::asio::ssl::context context = net::make_tls_context(trust);
        tls_.reset(SSL_new(context.native_handle())); // which keeps the context
    } catch (const command_failure& unreadable) {
        return broker_error{unreadable.what(), true};
    } catch (const boost::system::system_error& unusable) {
        return broker_error{unusable.what(), true};
    }
    if (!tls_ || !net::expect_peer(tls_.get(), access.url.host) || SSL_set_fd(tls_.get(), socket_) != 1)
        return failure("connect", "OpenSSL refused to prepare the connection");
    for (;;) {
        ERR_clear_error();
        const int done = SSL_connect(tls_.get());
        if (done == 1) return std::nullopt;
        const int wanted = SSL_get_error(tls_.get(), done);
        if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE)
            return failure("TLS handshake", tls_fault(tls_.get()));
        const short events = wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (stop_.wait(socket_, events, until) != wait_result::ready)
            return failure("TLS handshake", "no answer in time");
    }
}

std::optional<broker_error> tcp_link::write(std::string_view bytes) {
    const steady_time until = deadline();
    while (!bytes.empty()) {
        short events = POLLOUT;
        std::size_t taken = 0;
        if (tls_) {
            ERR_clear_error();
            const int done = SSL_write_ex(tls_.get(), bytes.data(), bytes.size(), &taken);
            const int wanted = done == 1 ? SSL_ERROR_NONE : SSL_get_error(tls_.get(), done);
            if (done != 1 && wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE)
                return failure("write", tls_fault(tls_.get()));
            events = wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        } else {
            const ssize_t count = send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (count < 0 && errno != EAGAIN && errno != EINTR) return system_failure("write", errno);
            taken = count > 0 ? static_cast<std::size_t>(count) : 0;
        }
        bytes.remove_prefix(taken);
        if (taken == 0 && !wait_until_ready(socket_, events, until))
            return failure("write", "the broker takes nothing");
    }
    return std::nullopt;
}

std::optional<broker_error> tcp_link::read(std::span<char> into, std::size_t& count) {
    count = 0;
    if (tls_) {
        ERR_clear_error();
        const int done = SSL_read_ex(tls_.get(), into.data(), into.size(), &count);
        if (done == 1) return std::nullopt;
        const int wanted = SSL_get_error(tls_.get(), done);
        if (wanted == SSL_ERROR_WANT_READ || wanted == SSL_ERROR_WANT_WRITE) return std::nullopt;
        return failure("read", tls_fault(tls_.get()));
    }
    const ssize_t got = recv(socket_, into.data(), into.size(), 0);
    if (got == 0) return failure("read", "the broker closed the connection");
    if (got < 0 && errno != EAGAIN && errno != EINTR) return system_failure("read", errno);
    count = got > 0 ? static_cast<std::size_t>(got) : 0;
    return std::nullopt;
}

} // namespace prooftrack::ctl
