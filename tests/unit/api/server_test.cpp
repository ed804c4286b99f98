#include "server_fixture.hpp"

#include "api/response_head.hpp"

namespace prooftrack::api {
namespace {

class Server : public server_test {};

TEST(HttpDate, IsWrittenAsInternetMessagesWriteIt) {
    EXPECT_EQ(format_http_date(wall_time(seconds(784'111'777))), "Sun, 06 Nov 1994 08:49:37 GMT");
    EXPECT_EQ(format_http_date(wall_time(seconds(951'782'399) + milliseconds(999))), "Mon, 28 Feb 2000 23:59:59 GMT");
}

TEST_F(Server, AnswersAndKeepsTheConnection) {
    backend_.add("abc");
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/v1/transactions/abc"))), 200);
    const std::string answer = client.ask(post("/v1/transactions", R"({"merchant_transaction_id":"new"})"));
    EXPECT_EQ(status_of(answer), 201);
    EXPECT_NE(answer.find("Content-Type: application/json\r\n"), std::string::npos);
    const auto now = std::chrono::floor<milliseconds>(std::chrono::system_clock::now());
    EXPECT_TRUE(
        answer.find(fmt::format("\r\nDate: {}\r\n", format_http_date(now))) != std::string::npos ||
        answer.find(fmt::format("\r\nDate: {}\r\n", format_http_date(now - seconds(1)))) != std::string::npos)
        << answer;
    EXPECT_EQ(answer.find("Connection:"), std::string::npos);
    EXPECT_EQ(backend_.last_who.uid, static_cast<std::int64_t>(::geteuid()));
    EXPECT_EQ(backend_.last_who.pid, static_cast<std::int64_t>(::getpid()));
    ASSERT_TRUE(turn_until([&] { return observer_.facts.size() == 2; }));
    EXPECT_EQ(observer_.facts[0].route, "/v1/transactions/{id}");
    EXPECT_EQ(observer_.facts[1].method, "POST");
    EXPECT_EQ(observer_.facts[1].status, 201);
    EXPECT_EQ(observer_.facts[1].uid, static_cast<std::int64_t>(::geteuid()));
}

TEST_F(Server, UnderstandsARequestThatIsCutAtAnyByte) {
    start();
    const std::string request = "\r\n" + post("/v1/transactions", R"({"merchant_transaction_id":"abc"})");
    for (std::size_t cut = 1; cut < request.size(); ++cut) {
        auto client = connect();
        ASSERT_TRUE(client.send(request.substr(0, cut)));
        turn();
        const int status = status_of(client.ask(request.substr(cut)));
        ASSERT_EQ(status, cut == 1 ? 201 : 200) << cut;
    }
}

TEST_F(Server, UnderstandsAChunkedRequestThatIsCutAtAnyByte) {
    start();
    const std::string request = "POST /v1/transactions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "10;x=y\r\n{\"merchant_trans\r\n11\r\naction_id\":\"abc\"}\r\n0\r\nTrailer: x\r\n\r\n";
    for (std::size_t cut = 1; cut < request.size(); ++cut) {
        auto client = connect();
        ASSERT_TRUE(client.send(request.substr(0, cut)));
        turn();
        const int status = status_of(client.ask(request.substr(cut)));
        ASSERT_EQ(status, cut == 1 ? 201 : 200) << cut;
    }
}

TEST_F(Server, AnswersPipelinedRequestsInOrder) {
    start();
    auto client = connect();
    client.send(
        get("/healthz") + post("/v1/transactions", R"({"merchant_transaction_id":"abc"})") + get("/nowhere") +
        get("/v1/status"));
    EXPECT_EQ(status_of(client.take_answer()), 200);
    EXPECT_EQ(status_of(client.take_answer()), 201);
    EXPECT_EQ(status_of(client.take_answer()), 404);
    EXPECT_NE(client.take_answer().find("\"version\""), std::string::npos);
}

TEST_F(Server, AnswersTheNextRequestOnlyBehindAWait) {
    backend_.add("abc");
    start();
    auto client = connect();
    client.send(get("/v1/transactions/abc?wait=5m") + get("/healthz"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    turn();
    client.receive();
    EXPECT_EQ(client.received(), "");
    auto handler = std::move(backend_.waits.begin()->second);
    backend_.waits.clear();
    handler(fake_backend::make_view("abc"));
    EXPECT_NE(client.take_answer().find("\"abc\""), std::string::npos);
    EXPECT_NE(client.take_answer().find("\"ok\""), std::string::npos);
}

TEST_F(Server, AHeadHasTheLengthAndNoBody) {
    start();
    auto client = connect();
    client.send("HEAD /healthz HTTP/1.1\r\n\r\n" + get("/nowhere"));
    ASSERT_TRUE(client.wait_for_text("route_not_found"));
    EXPECT_TRUE(client.received().find("Content-Length: 24\r\n\r\nHTTP/1.1 404") != std::string::npos)
        << client.received();
}

TEST_F(Server, ClosesBehindTheAnswerWhenAskedTo) {
    start();
    auto client = connect();
    client.send(get("/healthz", "Connection: close\r\n"));
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_NE(client.received().find("Connection: close\r\n"), std::string::npos);
    auto old = connect();
    old.send("GET /healthz HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(old.wait_for_end());
    EXPECT_EQ(status_of(old.received()), 200);
}

TEST_F(Server, ServesAClientThatSaidItSendsNoMore) {
    backend_.add("abc");
    start();
    auto client = connect();
    client.send(get("/v1/transactions/abc?wait=1m"));
    client.end_input();
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    turn();
    ASSERT_EQ(backend_.waits.size(), 1U);
    backend_.waits.begin()->second(fake_backend::make_view("abc"));
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_EQ(status_of(client.received()), 200);
}

TEST_F(Server, AClientThatLeavesCancelsItsWait) {
    backend_.add("abc");
    start();
    auto client = connect();
    client.send(get("/v1/transactions/abc?wait=10m"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    client.close();
    ASSERT_TRUE(turn_until([&] { return backend_.cancelled.size() == 1; }));
    EXPECT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    ASSERT_EQ(observer_.facts.size(), 1U);
    EXPECT_EQ(observer_.facts[0].status, 0);
}

TEST_F(Server, AClientThatLeavesAfterItsHalfCloseCancelsItsWaitToo) {
    backend_.add("abc");
    start();
    auto client = connect();
    client.send(get("/v1/transactions/abc?wait=10m"));
    client.end_input();
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    turn();
    client.close();
    ASSERT_TRUE(turn_until([&] { return backend_.cancelled.size() == 1; }));
}

TEST_F(Server, AnAnswerThatComesAfterTheClientLeftIsDropped) {
    backend_.hold_tracks = true;
    start();
    auto client = connect();
    client.send(post("/v1/transactions", R"({"merchant_transaction_id":"abc"})"));
    ASSERT_TRUE(turn_until([&] { return backend_.held_track.has_value(); }));
    client.close();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    (*backend_.held_track)(tracked{true, fake_backend::make_view("abc")});
    turn();
}

TEST_F(Server, AllowsABodyToBeSentBehind100Continue) {
    start();
    auto client = connect();
    const std::string body = R"({"merchant_transaction_id":"abc"})";
    client.send(fmt::format(
        "POST /v1/transactions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.size()));
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n"));
    EXPECT_EQ(client.received(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send(body);
    ASSERT_TRUE(client.wait_for_text("HTTP/1.1 201 Created"));
}

TEST_F(Server, RefusesInPlaceOf100Continue) {
    start();
    auto client = connect();
    client.send("POST /nowhere HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
    EXPECT_EQ(status_of(client.take_answer()), 404);
    ASSERT_TRUE(client.wait_for_end());
}

TEST_F(Server, KeepsAConnectionOverARefusedSmallBody) {
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(post("/nowhere", std::string(1000, 'x')))), 404);
    EXPECT_EQ(status_of(client.ask(post("/v1/transactions", "{}", "text/plain"))), 415);
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
}

TEST_F(Server, WhatIsNotHttpIs400AndEnds) {
    start();
    for (const char* bad :
         {"hello\r\n\r\n", "GET /healthz HTTP/2.0\r\n\r\n", "GET  HTTP/1.1\r\n\r\n",
          "GET / HTTP/1.1\r\nbad header\r\n\r\n", "POST /v1/hints HTTP/1.1\r\nContent-Length: x\r\n\r\n",
          "POST /v1/hints HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        auto client = connect();
        client.send(bad);
        ASSERT_TRUE(client.wait_for_end()) << bad;
        EXPECT_EQ(status_of(client.received()), 400) << bad;
        EXPECT_NE(client.received().find("application/problem+json"), std::string::npos) << bad;
    }
}

} // namespace
} // namespace prooftrack::api
