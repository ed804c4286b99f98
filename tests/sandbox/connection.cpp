#include "connection.hpp"

#include "http1_connection.hpp"
#include "http2_connection.hpp"

namespace prooftrack::sandbox {

namespace asio = boost::asio;

connection::connection(asio::ip::tcp::socket socket, asio::ssl::context& context, site& served)
    : link_(std::move(socket), context), site_(served) {}

asio::awaitable<void> connection::run() {
    if (speaks_http2()) {
        conversation_ = std::make_unique<http2_connection>(link_, site_);
    } else {
        conversation_ = std::make_unique<http1_connection>(link_, site_);
    }
    if (finishing_) conversation_->finish();
    return conversation_->run();
}

void connection::sweep(instant now) {
    if (conversation_) {
        conversation_->sweep(now);
    } else {
        link_.close_if_late(now.steady);
    }
}

void connection::finish() {
    finishing_ = true;
    if (conversation_) conversation_->finish();
}

} // namespace prooftrack::sandbox
