#include "callback/idle_connections.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/write.hpp>
#include <gtest/gtest.h>

#include "support/run_task.hpp"

namespace prooftrack::callback {
namespace {

namespace asio = boost::asio;
using unix_socket = asio::local::stream_protocol::socket;

class IdleConnections : public testing::Test {
  protected:
    /// A connection whose other end is kept in `peers_`.
    pooled_connection make(std::uint32_t requests = 1, steady_duration age = steady_duration::zero()) {
        unix_socket ours(io_);
        auto& theirs = peers_.emplace_back(io_);
        asio::local::connect_pair(ours, theirs);
        return pooled_connection{
            net::http_connection(net::any_stream(std::move(ours))),
            std::chrono::steady_clock::now() - age,
            {},
            requests};
    }

    asio::io_context io_{1};
    std::vector<unix_socket> peers_;
};

TEST_F(IdleConnections, GivesBackTheNewestOfAKey) {
    idle_connections pool(io_.get_executor());
    pool.put("a", make(1));
    pool.put("a", make(2));
    pool.put("b", make(3));
    EXPECT_EQ(pool.take("a")->requests, 2U);
    EXPECT_EQ(pool.take("a")->requests, 1U);
    EXPECT_FALSE(pool.take("a"));
    EXPECT_EQ(pool.size(), 1U);
}

TEST_F(IdleConnections, AClosedOneIsNotGivenOut) {
    idle_connections pool(io_.get_executor());
    pool.put("a", make());
    peers_.back().close();
    EXPECT_FALSE(pool.take("a"));
    EXPECT_EQ(pool.size(), 0U);
}

TEST_F(IdleConnections, AConnectionWithUnexpectedBytesIsNotReused) {
    idle_connections pool(io_.get_executor());
    pool.put("a", make());
    asio::write(peers_.back(), asio::buffer("H", 1));
    EXPECT_FALSE(pool.take("a"));
    EXPECT_EQ(pool.size(), 0U);
}

TEST_F(IdleConnections, OneWhoseReplyIsNotWholeWaitsForItsEnd) {
    idle_connections pool(io_.get_executor());
    pooled_connection unfinished = make(7);
    net::reply_reader rest{net::http_limits()};
    const std::string_view begun = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n";
    EXPECT_EQ(rest.feed(begun), begun.size());
    unfinished.connection.expect(rest);
    pool.put("a", std::move(unfinished));
    unix_socket& peer = peers_.back();
    EXPECT_FALSE(pool.take("a"));
    asio::write(peer, asio::buffer("\r\no", 3));
    EXPECT_FALSE(pool.take("a"));
    EXPECT_EQ(pool.size(), 1U);
    asio::write(peer, asio::buffer("k", 1));
    EXPECT_EQ(pool.take("a")->requests, 7U);
    EXPECT_EQ(pool.size(), 0U);
}

TEST_F(IdleConnections, AnOlderOneIsGivenOutWhileTheNewestIsNotReady) {
    idle_connections pool(io_.get_executor());
    pool.put("a", make(1));
    pooled_connection unfinished = make(2);
    unfinished.connection.expect(net::reply_reader{net::http_limits()});
    pool.put("a", std::move(unfinished));
    EXPECT_EQ(pool.take("a")->requests, 1U);
    EXPECT_EQ(pool.size(), 1U);
}

TEST_F(IdleConnections, AUsedUpOneIsNotKept) {
    idle_connections pool(io_.get_executor());
    pool.put("a", make(1000));
    pool.put("a", make(1, std::chrono::minutes(5)));
    EXPECT_EQ(pool.size(), 0U);
}

TEST_F(IdleConnections, HasRoomForSoManyOfAKeyAndSoManyInAll) {
    idle_connection_limits limits;
    limits.idle_per_key = 2;
    limits.idle_in_all = 3;
    idle_connections pool(io_.get_executor(), limits);
    for (std::uint32_t i = 1; i <= 3; ++i) pool.put("a", make(i));
    EXPECT_EQ(pool.size(), 2U);
    pool.put("b", make(4));
    pool.put("c", make(5));
    EXPECT_EQ(pool.size(), 3U);
    EXPECT_EQ(pool.take("a")->requests, 3U);
    EXPECT_FALSE(pool.take("a")) << "the longest idle ones made room";
}

TEST_F(IdleConnections, AnIdleOneIsClosedAfterItsTime) {
    idle_connection_limits limits;
    limits.idle_for = milliseconds(20);
    idle_connections pool(io_.get_executor(), limits);
    pool.put("a", make());
    testing_support::run_until(io_, [&] { return pool.size() == 0; });
    char byte = 0;
    error_code error;
    peers_.back().read_some(asio::buffer(&byte, 1), error);
    EXPECT_EQ(error, asio::error::eof);
}

} // namespace
} // namespace prooftrack::callback
