#pragma once

// What a CONNECT proxy does behind its 200: carries bytes both ways between a scripted connection and a local port.

#include <cstdint>
#include <string>
#include <thread>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "support/scripted_http_server.hpp"

namespace prooftrack::testing_support {

inline constexpr const char* tunnel_made = "HTTP/1.1 200 Connection established\r\n\r\n";

/// Until one of the two ends. Whatever host was asked for, the target is 127.0.0.1:`port`.
inline void relay_to(scripted_connection& connection, std::uint16_t port) {
    namespace asio = boost::asio;
    asio::io_context io;
    asio::ip::tcp::socket target(io);
    target.connect({asio::ip::address_v4::loopback(), port});
    std::thread back([&] {
        boost::system::error_code over;
        char bytes[4096];
        try {
            for (;;) {
                const std::size_t size = target.read_some(asio::buffer(bytes), over);
                if (over) break;
                connection.send({bytes, size});
            }
            connection.close_in_order();
        } catch (const boost::system::system_error&) { // both are closed already
        } catch (const scripted_connection::peer_gone&) {
        }
    });
    try {
        for (;;) asio::write(target, asio::buffer(connection.read_some()));
    } catch (const boost::system::system_error&) {
    } catch (const scripted_connection::peer_gone&) {
    }
    boost::system::error_code ignored;
    target.shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
    back.join();
}

} // namespace prooftrack::testing_support
