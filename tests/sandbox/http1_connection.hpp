#pragma once

// HTTP/1.1 with one client: keep-alive and pipelining, answers in order.

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "connection.hpp"
#include "http1_reply.hpp"

namespace prooftrack::sandbox {

class http1_connection final : public conversation {
  public:
    /// Both must outlive it.
    http1_connection(tls_link& link, site& served);

    boost::asio::awaitable<void> run() override;
    void sweep(instant now) override { link_.close_if_late(now.steady); }
    void finish() override;

  private:
    enum class parse_outcome : std::uint8_t { request, need_more, refused };

    parse_outcome parse();
    parse_outcome begin_body();
    boost::asio::awaitable<bool> read_more();
    boost::asio::awaitable<bool> perform(http1_plan plan);
    boost::asio::awaitable<bool> drip(std::string bytes, milliseconds apart);
    boost::asio::awaitable<bool> wait_until(steady_time when);
    boost::asio::awaitable<void> stall(milliseconds limit);
    http1_plan answer();
    void refuse(int status);

    tls_link& link_;
    site& site_;
    boost::beast::flat_buffer buffer_;
    std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
    instant last_read_{};
    std::string out_;
    bool body_begun_ = false;
    bool keep_alive_ = true;
    bool finishing_ = false;
    bool waits_for_request_ = false;
};

} // namespace prooftrack::sandbox
