#include "net/stream.hpp"

#include <cerrno>

#include <sys/socket.h>

namespace prooftrack {

bool any_stream::is_open() const {
    if (const auto* tcp = std::get_if<tcp_socket>(&stream_)) return tcp->is_open();
    if (const auto* local = std::get_if<unix_socket>(&stream_)) return local->is_open();
    const auto& secured = std::get<tls_stream_ptr>(stream_);
    return secured && secured->lowest_layer().is_open();
}

int any_stream::native_handle() {
    return visit([](auto& stream) -> int { return stream.lowest_layer().native_handle(); });
}

void any_stream::close() {
    if (!is_open()) return;
    visit([](auto& stream) {
        error_code ignored;
        stream.lowest_layer().close(ignored);
    });
}

bool any_stream::is_stale() {
    if (!is_open()) return true;
    char byte = 0;
    const auto got = ::recv(native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    // Waiting bytes on a TLS connection may be tickets; a reply that nobody asked for is met when the next one is read.
    if (got > 0) return !std::holds_alternative<tls_stream_ptr>(stream_);
    return got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

} // namespace prooftrack
