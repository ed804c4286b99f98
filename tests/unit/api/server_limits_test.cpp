#include "server_fixture.hpp"

#include "api/import_reader.hpp"
#include "api/request_reader.hpp"
#include "api/router.hpp"

namespace prooftrack::api {
namespace {

class ServerLimits : public server_test {
  protected:
    std::string large_post(std::size_t size, std::string_view type = "application/json") {
        return post("/v1/transactions", std::string(size, ' '), type);
    }
};

TEST_F(ServerLimits, AHeaderOf16KiBIsReadAndALongerOneIs431) {
    start();
    const std::string stem = "GET /healthz HTTP/1.1\r\nX: \r\n\r\n";
    const auto with_header = [&stem](std::size_t size) {
        return "GET /healthz HTTP/1.1\r\nX: " + std::string(size - stem.size(), 'x') + "\r\n\r\n";
    };
    auto fitting = connect();
    EXPECT_EQ(status_of(fitting.ask(with_header(max_header_bytes))), 200);
    auto larger = connect();
    const std::string answer = larger.ask(with_header(max_header_bytes + 1));
    EXPECT_EQ(status_of(answer), 431);
    EXPECT_NE(answer.find("header_too_large"), std::string::npos);
    ASSERT_TRUE(larger.wait_for_end());
    auto endless = connect();
    endless.send("GET /" + std::string(100'000, 'a'));
    EXPECT_EQ(status_of(endless.take_answer()), 431);
}

TEST_F(ServerLimits, ABodyOf1MiBIsReadAndALongerOneIs413) {
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(large_post(max_body_bytes))), 400); // read, but blank
    const std::string answer = client.ask(large_post(max_body_bytes + 1));
    EXPECT_EQ(status_of(answer), 413);
    EXPECT_NE(answer.find("\"too_large\""), std::string::npos);
    client.end_input();
    ASSERT_TRUE(client.wait_for_end());
}

TEST_F(ServerLimits, AChunkedBodyHasTheSameLimit) {
    start();
    const std::string head = "POST /v1/transactions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const auto chunked = [&head](std::size_t size) {
        std::string request = head;
        for (; size > 0; size -= std::min<std::size_t>(size, 1 << 16)) {
            const std::size_t piece = std::min<std::size_t>(size, 1 << 16);
            request += fmt::format("{:x}\r\n{}\r\n", piece, std::string(piece, ' '));
        }
        return request + "0\r\n\r\n";
    };
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(chunked(max_body_bytes))), 400);
    client.send(chunked(max_body_bytes + 1));
    EXPECT_EQ(status_of(client.take_answer()), 413);
    auto one = connect();
    one.send(head + "ffffffffff\r\n");
    EXPECT_EQ(status_of(one.take_answer()), 413);
    auto endless = connect();
    endless.send(head + "1;" + std::string(100'000, 'x'));
    EXPECT_EQ(status_of(endless.take_answer()), 400);
}

TEST_F(ServerLimits, AnImportMayHave32MiB) {
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(large_post(max_import_bytes, "application/x-ndjson"))), 200);
    EXPECT_EQ(status_of(client.ask(large_post(max_import_bytes + 1, "application/x-ndjson"))), 413);
    client.end_input();
    ASSERT_TRUE(client.wait_for_end());
}

TEST_F(ServerLimits, BodiesTogetherWaitUnreadForTheirShare) {
    start();
    // An import that never ends holds over half of the budget, so the next one of its size waits.
    const std::string begun = fmt::format(
        "POST /v1/transactions HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n\r\nx",
        max_import_bytes);
    auto one = connect();
    one.send(begun);
    turn();
    auto two = connect();
    two.send(begun);
    turn();
    const std::string piece(64 * 1024, 'y');
    std::size_t taken = 0;
    const auto push = [&] {
        const ssize_t count = ::send(two.native(), piece.data(), piece.size(), MSG_NOSIGNAL);
        if (count > 0) taken += static_cast<std::size_t>(count);
        return taken > 4U * 1024 * 1024;
    };
    EXPECT_FALSE(two.wait_for(push, milliseconds(300))); // unread: only the kernel's buffers fill up
    auto small = connect();
    EXPECT_EQ(status_of(small.ask(post("/v1/transactions", R"({"merchant_transaction_id":"abc"})"))), 201);
    one.close();
    EXPECT_TRUE(two.wait_for(push));
}

TEST_F(ServerLimits, AnImportHoldsItsShareUntilItEndsEvenIfItsClientLeaves) {
    backend_.hold_imports = true;
    start();
    const std::string lines = "abc\n" + std::string(max_import_bytes - 4, ' ');
    auto first = connect();
    first.send(post("/v1/transactions", lines, "application/x-ndjson"));
    ASSERT_TRUE(turn_until([&] { return backend_.held_imports.size() == 1; }));
    first.close();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    auto next = connect();
    next.send(fmt::format(
        "POST /v1/transactions HTTP/1.1\r\nContent-Type: application/x-ndjson\r\nContent-Length: {}\r\n"
        "Expect: 100-continue\r\n\r\n",
        max_import_bytes));
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
    turn();
    next.receive();
    EXPECT_EQ(next.received(), "") << "the lines of the first import are still in memory";
    backend_.held_imports.clear();
    EXPECT_TRUE(next.wait_for_text("100 Continue"));
}

TEST_F(ServerLimits, AnImportMayEndAfterTheServer) {
    backend_.hold_imports = true;
    start();
    auto client = connect();
    client.send(post("/v1/transactions", "abc\n", "application/x-ndjson"));
    ASSERT_TRUE(turn_until([&] { return backend_.held_imports.size() == 1; }));
    server_.reset();
    backend_.held_imports.clear();
    turn();
    EXPECT_TRUE(client.wait_for_end());
}

TEST_F(ServerLimits, SmallBodiesTogetherAreBoundedToo) {
    start();
    const std::string begun = "POST /v1/hints HTTP/1.1\r\nContent-Length: 65536\r\n\r\n{";
    std::vector<raw_client> holders;
    for (int i = 0; i < 64; ++i) {
        holders.push_back(connect());
        holders.back().send(begun);
    }
    turn();
    auto late = connect();
    late.send(post("/v1/hints", R"({"merchant_transaction_id":"abc"})"));
    turn();
    EXPECT_TRUE(backend_.calls.empty());
    holders.pop_back();
    EXPECT_EQ(status_of(late.take_answer()), 202);
}

TEST_F(ServerLimits, AHeaderThatStopsIs408AfterItsTime) {
    options_.limits.stall = milliseconds(200);
    start();
    auto client = connect();
    const auto begun = std::chrono::steady_clock::now();
    client.send("GET /heal");
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_GE(std::chrono::steady_clock::now() - begun, milliseconds(140));
    EXPECT_EQ(status_of(client.received()), 408);
    EXPECT_NE(client.received().find("\"timeout\""), std::string::npos);
}

TEST_F(ServerLimits, AHeaderThatDripsHasOneTimeForAll) {
    options_.limits.stall = milliseconds(300);
    start();
    auto client = connect();
    const auto begun = std::chrono::steady_clock::now();
    auto next = begun;
    client.wait_for([&] {
        if (std::chrono::steady_clock::now() >= next) {
            next += milliseconds(30);
            ::send(client.native(), "x", 1, MSG_NOSIGNAL);
        }
        client.receive();
        return client.ended();
    });
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
    EXPECT_EQ(status_of(client.received()), 408);
}

TEST_F(ServerLimits, ABodyThatStopsIs408ButOneThatGoesOnIsRead) {
    options_.limits.stall = milliseconds(300);
    start();
    auto stopped = connect();
    stopped.send("POST /v1/hints HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
    ASSERT_TRUE(stopped.wait_for_end());
    EXPECT_EQ(status_of(stopped.received()), 408);
    auto slow = connect();
    const std::string body = R"({"merchant_transaction_id":"abc"})";
    slow.send(fmt::format("POST /v1/hints HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.size()));
    std::size_t sent = 0;
    auto next = std::chrono::steady_clock::now();
    slow.wait_for([&] {
        if (sent < body.size() && std::chrono::steady_clock::now() >= next) {
            next += milliseconds(30); // ten times as long as the stall in all
            ::send(slow.native(), &body[sent++], 1, MSG_NOSIGNAL);
        }
        slow.receive();
        return !slow.received().empty();
    });
    EXPECT_EQ(status_of(slow.received()), 202);
}

TEST_F(ServerLimits, ABodyHasOneTimeForAllInTheEnd) {
    options_.limits.stall = milliseconds(300);
    options_.limits.body_total = milliseconds(500);
    start();
    auto client = connect();
    client.send("POST /v1/hints HTTP/1.1\r\nContent-Length: 10000\r\n\r\n");
    auto next = std::chrono::steady_clock::now();
    client.wait_for([&] {
        if (std::chrono::steady_clock::now() >= next) {
            next += milliseconds(30);
            ::send(client.native(), " ", 1, MSG_NOSIGNAL);
        }
        client.receive();
        return client.ended();
    });
    EXPECT_EQ(status_of(client.received()), 408);
}

TEST_F(ServerLimits, AnIdleConnectionHasNoDeadline) {
    options_.limits.stall = milliseconds(100);
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
    const auto until = std::chrono::steady_clock::now() + milliseconds(400);
    client.wait_for([&] { return std::chrono::steady_clock::now() > until; });
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
}

TEST_F(ServerLimits, AClientThatTakesNothingOfItsAnswerIsClosed) {
    options_.limits.write_stall = milliseconds(200);
    backend_.metrics = std::string(4 * 1024 * 1024, 'm');
    start();
    auto client = connect();
    client.send(get("/metrics"));
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(ServerLimits, AClientThatTakesItsAnswerSlowlyGetsAllOfIt) {
    options_.limits.write_stall = milliseconds(400);
    backend_.metrics = std::string(4 * 1024 * 1024, 'm');
    start();
    auto client = connect();
    client.send(get("/metrics"));
    std::size_t taken = 0;
    std::string piece(200'000, '\0');
    auto next = std::chrono::steady_clock::now();
    client.wait_for([&] {
        if (std::chrono::steady_clock::now() < next) return false;
        next += milliseconds(50); // over a second in all
        const ssize_t count = ::recv(client.native(), piece.data(), piece.size(), 0);
        if (count > 0) taken += static_cast<std::size_t>(count);
        return count == 0 || taken > backend_.metrics.size();
    });
    EXPECT_GT(taken, backend_.metrics.size());
}

TEST_F(ServerLimits, TheConnectionIdleForLongestMakesRoom) {
    options_.max_clients = 2;
    start();
    auto first = connect();
    EXPECT_EQ(status_of(first.ask(get("/healthz"))), 200);
    auto second = connect();
    EXPECT_EQ(status_of(second.ask(get("/healthz"))), 200);
    EXPECT_EQ(status_of(first.ask(get("/healthz"))), 200); // now `second` is idle for longer
    auto third = connect();
    EXPECT_EQ(status_of(third.ask(get("/healthz"))), 200);
    ASSERT_TRUE(second.wait_for_end());
    EXPECT_EQ(status_of(first.ask(get("/healthz"))), 200);
}

TEST_F(ServerLimits, NothingInProgressIsEvictedAndAcceptingPauses) {
    options_.max_clients = 3;
    backend_.add("abc");
    start();
    auto waiting = connect();
    waiting.send(get("/v1/transactions/abc?wait=10m"));
    auto streaming = connect();
    streaming.send(get("/v1/events", "Accept: text/event-stream\r\n"));
    auto halfway = connect();
    halfway.send("GET /heal");
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1 && server_->connections() == 3; }));
    ASSERT_TRUE(streaming.wait_for_text("text/event-stream"));
    turn();
    auto late = connect();
    ASSERT_TRUE(late.connected());
    late.send(get("/healthz"));
    turn();
    late.receive();
    EXPECT_EQ(late.received(), "");
    EXPECT_EQ(server_->connections(), 3U);
    EXPECT_TRUE(backend_.cancelled.empty());
    EXPECT_EQ(status_of(halfway.ask("thz HTTP/1.1\r\n\r\n")), 200); // and is idle now
    EXPECT_EQ(status_of(late.take_answer()), 200);
    ASSERT_TRUE(halfway.wait_for_end());
    EXPECT_EQ(backend_.waits.size(), 1U);
}

TEST_F(ServerLimits, ARaisedLimitLetsWaitingClientsIn) {
    options_.max_clients = 1;
    backend_.add("abc");
    start();
    auto waiting = connect();
    waiting.send(get("/v1/transactions/abc?wait=10m"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    auto late = connect();
    late.send(get("/healthz"));
    turn();
    EXPECT_EQ(server_->connections(), 1U);
    server_->reconfigure(2, std::nullopt);
    EXPECT_EQ(status_of(late.take_answer()), 200);
}

TEST_F(ServerLimits, WhatIsSentAheadIsBounded) {
    backend_.add("abc");
    options_.limits.buffered_ahead = 1024;
    start();
    auto client = connect();
    client.send(get("/v1/transactions/abc?wait=10m"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    const std::string piece(64 * 1024, 'x');
    std::size_t sent = 0;
    client.wait_for(
        [&] {
            const ssize_t count = ::send(client.native(), piece.data(), piece.size(), MSG_NOSIGNAL);
            if (count > 0) sent += static_cast<std::size_t>(count);
            return false;
        },
        milliseconds(300));
    EXPECT_LT(sent, 2U * 1024 * 1024); // what the kernel holds, not what the daemon does
}

} // namespace
} // namespace prooftrack::api
