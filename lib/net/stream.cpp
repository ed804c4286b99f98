#include "net/stream.hpp"

#include <boost/asio/buffer.hpp>

namespace prooftrack::net {

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

std::size_t any_stream::read_available(char* into, std::size_t size, error_code& error) {
    return visit([&](auto& stream) -> std::size_t {
        stream.lowest_layer().non_blocking(true, error);
        return error ? 0 : stream.read_some(boost::asio::buffer(into, size), error);
    });
}

} // namespace prooftrack::net
