#pragma once

// HTTP/2 with one client: the socket of an `http2_session`. It reads and writes at the same time, since the client's
// flow control needs both.

#include <array>
#include <string>

#include "connection.hpp"
#include "http2_session.hpp"

namespace prooftrack::sandbox {

class http2_connection final : public conversation {
  public:
    /// Both must outlive it.
    http2_connection(tls_link& link, site& served);

    boost::asio::awaitable<void> run() override;
    void sweep(instant now) override;
    void finish() override;

  private:
    boost::asio::awaitable<void> read_all();
    boost::asio::awaitable<void> write_all();
    void wake(); ///< the writer, if it waits

    tls_link& link_;
    http2_session session_;
    std::array<char, 16U << 10U> read_{};
    std::string out_;
    bool is_writing_ = false; ///< or ending: then the link's deadline holds
    bool reading_ended_ = false;
};

} // namespace prooftrack::sandbox
