// What one client does must not harm the others.

#include "server_fixture.hpp"

#include <thread>

#include <boost/asio/steady_timer.hpp>

#include <sys/file.h>

#include "api/router.hpp"

namespace prooftrack::api {
namespace {

class ServerNeighbour : public server_test {
  protected:
    static std::string begun_import(std::string_view fields = {}) {
        return fmt::format(
            "POST /v1/transactions HTTP/1.1\r\nContent-Type: application/x-ndjson\r\n{}"
            "Content-Length: {}\r\n\r\n",
            fields, max_import_bytes);
    }
    /// Clients that begin a body of 64 KiB and send no more of it.
    std::vector<raw_client> slow_posts(std::string_view target, std::size_t count) {
        std::vector<raw_client> made;
        for (std::size_t i = 0; i < count; ++i) {
            made.push_back(connect());
            made.back().send(fmt::format("POST {} HTTP/1.1\r\nContent-Length: 65536\r\n\r\n{{", target));
        }
        turn();
        return made;
    }
};

TEST_F(ServerNeighbour, AShareOfMemoryThatComesWhenItsClientHasJustLeftIsGivenBack) {
    start();
    auto holder = connect();
    holder.send(begun_import() + "x");
    turn();
    std::vector<raw_client> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(connect());
        waiting.back().send(begun_import("Expect: 100-continue\r\n"));
        turn();
    }
    EXPECT_EQ(waiting.front().received(), "");
    holder.close();
    for (raw_client& client : waiting) client.close();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    auto next = connect();
    next.send(begun_import("Expect: 100-continue\r\n"));
    EXPECT_TRUE(next.wait_for_text("100 Continue"));
}

TEST_F(ServerNeighbour, AClientThatLeavesWhileItsBodyWaitsIsForgotten) {
    options_.limits.stall = seconds(60);
    start();
    auto holder = connect();
    holder.send(begun_import() + "x");
    turn();
    auto waiting = connect();
    waiting.send(begun_import());
    turn();
    ASSERT_EQ(server_->connections(), 2U);
    waiting.close();
    EXPECT_TRUE(turn_until([&] { return server_->connections() == 1; }));
}

TEST_F(ServerNeighbour, AServerThatGoesRightAfterItsStopIsNotCalledAgain) {
    start();
    bool stopped = false;
    server_->stop(seconds(1), [&] { stopped = true; });
    server_.reset();
    turn();
    EXPECT_FALSE(stopped);
}

TEST_F(ServerNeighbour, RefusedBodiesHoldNoMemory) {
    options_.limits.stall = seconds(60);
    start();
    const auto refused = slow_posts("/v1/nowhere", 64);
    auto other = connect();
    EXPECT_EQ(status_of(other.ask(post("/v1/hints", R"({"merchant_transaction_id":"abc"})"))), 202);
}

TEST_F(ServerNeighbour, ARefusalComesBeforeTheBodyAndASmallBodyIsPassedOver) {
    start();
    auto client = connect();
    const std::string answer = client.ask("POST /v1/nowhere HTTP/1.1\r\nContent-Length: 10\r\n\r\n");
    EXPECT_EQ(status_of(answer), 404);
    EXPECT_EQ(answer.find("Connection: close"), std::string::npos);
    EXPECT_EQ(status_of(client.ask("0123456789" + get("/healthz"))), 200);
    EXPECT_EQ(status_of(client.ask(post("/v1/nowhere", "{}") + get("/healthz"))), 404);
    EXPECT_EQ(status_of(client.take_answer()), 200);
    client.send("POST /v1/nowhere HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunked = client.take_answer();
    EXPECT_EQ(status_of(chunked), 404);
    EXPECT_NE(chunked.find("Connection: close"), std::string::npos) << "it may have any length";
}

TEST_F(ServerNeighbour, ARefusedBodyThatStopsIsCutOff) {
    options_.limits.stall = milliseconds(200);
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask("POST /v1/nowhere HTTP/1.1\r\nContent-Length: 10\r\n\r\nx")), 404);
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_EQ(client.received(), "") << "it was answered";
}

TEST_F(ServerNeighbour, AnEventBesideAHeartbeatDoesNotEndTheStream) {
    options_.limits.heartbeat = milliseconds(20);
    start();
    auto client = connect();
    client.send(get("/v1/events", "Accept: text/event-stream\r\n"));
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n:\n\n"));
    for (int round = 0; round < 20; ++round) {
        // Both are over when the loop looks: the event is made known between the heartbeat's write and its completion.
        boost::asio::steady_timer before(loop_, milliseconds(1));
        before.async_wait([&](const error_code&) { backend_.emit("{}"); });
        std::this_thread::sleep_for(milliseconds(100));
        ASSERT_TRUE(client.wait_for_text(fmt::format("id: {}\n", round + 1))) << client.received();
        ASSERT_FALSE(client.ended()) << round;
    }
}

TEST_F(ServerNeighbour, ALockOnTheFolderOfTheSocketDoesNotStopTheStart) {
    const int folder = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY);
    ASSERT_EQ(::flock(folder, LOCK_EX | LOCK_NB), 0);
    EXPECT_NO_THROW(start());
    ::close(folder);
}

} // namespace
} // namespace prooftrack::api
