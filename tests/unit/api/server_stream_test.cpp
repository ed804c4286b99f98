#include "server_fixture.hpp"

#include <fstream>

namespace prooftrack::api {
namespace {

class ServerStreams : public server_test {
  protected:
    std::string stream(std::string_view target = "/v1/events") { return get(target, "Accept: text/event-stream\r\n"); }
    void emit(int count) {
        for (int i = 0; i < count; ++i) backend_.emit(fmt::format("{{\"n\":{}}}", backend_.log.size() + 1));
    }
};

TEST_F(ServerStreams, SendWhatComesAndResumeByTheLastId) {
    emit(2);
    start();
    auto client = connect();
    client.send(stream());
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n"));
    EXPECT_NE(client.received().find("Content-Type: text/event-stream\r\n"), std::string::npos);
    EXPECT_NE(client.received().find("X-Accel-Buffering: no\r\n"), std::string::npos);
    emit(1);
    ASSERT_TRUE(client.wait_for_text("\r\n\r\nid: 3\ndata: {\"n\":3}\n\n"));
    client.close();
    emit(1);
    auto again = connect();
    again.send(get("/v1/events", "Accept: text/event-stream\r\nLast-Event-ID: 3\r\n"));
    ASSERT_TRUE(again.wait_for_text("\r\n\r\nid: 4\ndata: {\"n\":4}\n\n"));
}

TEST_F(ServerStreams, BeatWhileNothingHappens) {
    options_.limits.heartbeat = milliseconds(150);
    start();
    auto client = connect();
    client.send(stream());
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n:\n\n:\n\n:\n\n"));
    emit(1);
    ASSERT_TRUE(client.wait_for_text("id: 1\n"));
    ASSERT_TRUE(client.wait_for_text("}\n\n:\n\n"));
}

TEST_F(ServerStreams, AGoneCursorIs410OnAConnectionThatGoesOn) {
    emit(1);
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(stream("/v1/events?after=9"))), 410);
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
}

TEST_F(ServerStreams, ReadFromTheBeginningUnderBackPressure) {
    const std::string padding(4'000, 'p');
    for (int i = 1; i <= 3'000; ++i) backend_.emit(fmt::format("{{\"n\":{},\"p\":\"{}\"}}", i, padding));
    start();
    auto client = connect();
    client.send(stream("/v1/events?after=0"));
    turn();
    EXPECT_LT(backend_.event_pages, 8U); // 12 MB are owed, but nobody takes them
    ASSERT_TRUE(client.wait_for_text("id: 3000\n"));
    std::size_t at = 0;
    for (int i = 1; i <= 3'000; ++i) {
        at = client.received().find(fmt::format("id: {}\ndata: {{\"n\":{},", i, i), at);
        ASSERT_NE(at, std::string::npos) << i;
    }
}

TEST_F(ServerStreams, AReaderThatTakesNothingIsClosedWhile1024EventsArrive) {
    start();
    auto client = connect();
    client.send(stream());
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n"));
    auto other = connect();
    other.send(stream());
    ASSERT_TRUE(other.wait_for_text("\r\n\r\n"));
    EXPECT_EQ(server_->connections(), 2U);
    const std::string padding(1'000, 'p');
    int emitted = 0;
    // `other` reads on, `client` takes nothing until its socket and then its patience is full.
    ASSERT_TRUE(other.wait_for([&] {
        if (emitted < 20'000) {
            ++emitted;
            backend_.emit(fmt::format("{{\"n\":{},\"p\":\"{}\"}}", emitted, padding));
        }
        other.receive();
        return server_->connections() == 1;
    }));
    ASSERT_TRUE(other.wait_for_text(fmt::format("id: {}\n", emitted)));
    EXPECT_FALSE(other.ended());
}

TEST_F(ServerStreams, AReaderThatTakesNothingForTooLongIsClosed) {
    options_.limits.write_stall = milliseconds(200);
    start();
    auto client = connect();
    client.send(stream());
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n"));
    backend_.emit("{\"p\":\"" + std::string(1'000'000, 'p') + "\"}");
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
}

TEST_F(ServerStreams, AReaderThatLeavesIsForgotten) {
    start();
    auto client = connect();
    client.send(stream());
    ASSERT_TRUE(client.wait_for_text("\r\n\r\n"));
    client.close();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    emit(3);
    turn();
}

TEST_F(ServerStreams, ManyReadersAllGetAnEvent) {
    options_.max_clients = 400;
    start();
    std::vector<raw_client> readers;
    for (int i = 0; i < 300; ++i) {
        readers.push_back(connect());
        ASSERT_TRUE(readers.back().connected());
        readers.back().send(stream());
        ASSERT_TRUE(readers.back().wait_for_text("\r\n\r\n"));
    }
    emit(1);
    for (raw_client& reader : readers) ASSERT_TRUE(reader.wait_for_text("id: 1\n"));
}

TEST_F(ServerStreams, ABackupIsChunkedAndLeavesNoFile) {
    backend_.backup_path = folder_ / "copy.db";
    std::string content(1'000'000, 'b');
    for (std::size_t i = 0; i < content.size(); i += 97) content[i] = static_cast<char>(i);
    std::ofstream(backend_.backup_path, std::ios::binary) << content;
    start();
    auto client = connect();
    client.send(get("/v1/backup") + get("/healthz"));
    ASSERT_TRUE(client.wait_for_text("0\r\n\r\nHTTP/1.1 200 OK"));
    EXPECT_FALSE(std::filesystem::exists(backend_.backup_path));
    std::string_view rest = client.received();
    EXPECT_NE(rest.find("Transfer-Encoding: chunked\r\n"), std::string_view::npos);
    rest.remove_prefix(rest.find("\r\n\r\n") + 4);
    std::string body;
    for (;;) {
        const std::size_t size = std::stoul(std::string(rest.substr(0, rest.find("\r\n"))), nullptr, 16);
        rest.remove_prefix(rest.find("\r\n") + 2);
        if (size == 0) break;
        body += rest.substr(0, size);
        rest.remove_prefix(size + 2);
    }
    EXPECT_TRUE(body == content);
}

TEST_F(ServerStreams, ABackupForHttp10HasItsLength) {
    backend_.backup_path = folder_ / "copy.db";
    const std::string content(1'000'000, 'b');
    std::ofstream(backend_.backup_path, std::ios::binary) << content;
    start();
    auto client = connect();
    client.send("GET /v1/backup HTTP/1.0\r\n\r\n");
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_NE(client.received().find("Content-Length: 1000000\r\n"), std::string::npos);
    EXPECT_EQ(client.received().find("Transfer-Encoding"), std::string::npos);
    EXPECT_TRUE(client.received().ends_with("\r\n\r\n" + content));
}

TEST_F(ServerStreams, AreForWhoeverLikesThemNoLessThanJson) {
    start();
    const auto type_for = [this](std::string_view accept) {
        auto client = connect();
        client.send(get("/v1/events", fmt::format("Accept: {}\r\n", accept)));
        client.wait_for_text("\r\n\r\n");
        const std::size_t begin = client.received().find("Content-Type: ") + 14;
        return client.received().substr(begin, client.received().find("\r\n", begin) - begin);
    };
    EXPECT_EQ(type_for("text/event-stream"), "text/event-stream");
    EXPECT_EQ(type_for("application/json, text/event-stream"), "text/event-stream");
    EXPECT_EQ(type_for("application/json;q=0.5\r\nAccept: text/event-stream"), "text/event-stream");
    EXPECT_EQ(type_for("text/event-stream, */*;q=0.1"), "text/event-stream");
    EXPECT_EQ(type_for("text/event-stream;q=0"), "application/json");
    EXPECT_EQ(type_for("application/json, text/event-stream;q=0.9"), "application/json");
    EXPECT_EQ(type_for("*/*"), "application/json");
}

TEST_F(ServerStreams, AnEmptyBackupIsOneLastChunk) {
    backend_.backup_path = folder_ / "copy.db";
    std::ofstream(backend_.backup_path, std::ios::binary) << "";
    start();
    auto client = connect();
    client.send(get("/v1/backup"));
    EXPECT_TRUE(client.wait_for_text("\r\n\r\n0\r\n\r\n"));
}

TEST_F(ServerStreams, ABackupWhoseReaderLeavesLeavesNoFile) {
    backend_.backup_path = folder_ / "copy.db";
    std::ofstream(backend_.backup_path, std::ios::binary) << std::string(8'000'000, 'b');
    start();
    auto client = connect();
    client.send(get("/v1/backup"));
    ASSERT_TRUE(client.wait_for_text("chunked"));
    client.close();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 0; }));
    EXPECT_FALSE(std::filesystem::exists(backend_.backup_path));
}

TEST_F(ServerStreams, AFailedBackupHasNoLastChunk) {
    backend_.backup_path = folder_; // opens, but reading a directory fails
    const std::filesystem::path folder = folder_ / "sub";
    std::filesystem::create_directory(folder);
    backend_.backup_path = folder;
    start();
    auto client = connect();
    client.send(get("/v1/backup"));
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_NE(client.received().find("chunked"), std::string::npos);
    EXPECT_TRUE(client.received().ends_with("\r\n\r\n"));
    EXPECT_FALSE(client.received().ends_with("0\r\n\r\n"));
}

class ServerStop : public server_test {
  protected:
    bool stopped_ = false;
    void stop(milliseconds within = seconds(10)) {
        server_->stop(within, [this] { stopped_ = true; });
    }
};

TEST_F(ServerStop, ClosesWhatIsIdleAndRemovesItsSocket) {
    start();
    auto client = connect();
    EXPECT_EQ(status_of(client.ask(get("/healthz"))), 200);
    stop();
    EXPECT_FALSE(std::filesystem::exists(options_.socket));
    ASSERT_TRUE(client.wait_for_end());
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
}

TEST_F(ServerStop, WithoutConnectionsIsDoneAtOnceButNotFromInside) {
    start();
    stop();
    EXPECT_FALSE(stopped_);
    turn();
    EXPECT_TRUE(stopped_);
}

TEST_F(ServerStop, AnswersWaitsAndEndsStreams) {
    backend_.add("abc");
    start();
    auto waiting = connect();
    waiting.send(get("/v1/transactions/abc?wait=10m"));
    auto streaming = connect();
    streaming.send(get("/v1/events", "Accept: text/event-stream\r\n"));
    ASSERT_TRUE(streaming.wait_for_text("\r\n\r\n"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1; }));
    stop();
    EXPECT_EQ(status_of(waiting.take_answer()), 503);
    ASSERT_TRUE(waiting.wait_for_end());
    ASSERT_TRUE(streaming.wait_for_end());
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
    EXPECT_EQ(backend_.cancelled.size(), 1U);
}

TEST_F(ServerStop, LetsARequestInProgressEnd) {
    backend_.hold_tracks = true;
    start();
    auto client = connect();
    client.send(post("/v1/transactions", R"({"merchant_transaction_id":"abc"})"));
    ASSERT_TRUE(turn_until([&] { return backend_.held_track.has_value(); }));
    stop();
    turn();
    EXPECT_FALSE(stopped_);
    (*backend_.held_track)(tracked{true, fake_backend::make_view("abc")});
    const std::string answer = client.take_answer();
    EXPECT_EQ(status_of(answer), 201);
    EXPECT_NE(answer.find("Connection: close"), std::string::npos);
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
}

TEST_F(ServerStop, AnswersWhoeverConnectedAndHasNotAskedYet) {
    start();
    auto fresh = connect();
    auto asking = connect();
    ASSERT_EQ(status_of(asking.ask(get("/healthz"))), 200);
    asking.send(get("/healthz")); // on its way when the stop comes
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 2; }));
    stop();
    EXPECT_EQ(status_of(asking.take_answer()), 200);
    EXPECT_EQ(status_of(fresh.ask(get("/healthz"))), 200);
    ASSERT_TRUE(fresh.wait_for_end());
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
}

TEST_F(ServerStop, IsNotHeldUpByAClientThatNeverAsks) {
    start();
    auto silent = connect();
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
    const auto begun = std::chrono::steady_clock::now();
    stop(seconds(20));
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(8));
}

TEST_F(ServerStop, IsNotHeldUpByAClientThatStopsInTheMiddle) {
    start();
    auto client = connect();
    client.send("POST /v1/hints HTTP/1.1\r\nContent-Length: 9\r\n\r\n{");
    ASSERT_TRUE(turn_until([&] { return server_->connections() == 1; }));
    turn();
    const auto begun = std::chrono::steady_clock::now();
    stop(seconds(20));
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
    EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(8));
}

TEST_F(ServerStop, CutsOffWhatTakesTooLong) {
    backend_.hold_tracks = true;
    start();
    auto client = connect();
    client.send(post("/v1/transactions", R"({"merchant_transaction_id":"abc"})"));
    ASSERT_TRUE(turn_until([&] { return backend_.held_track.has_value(); }));
    stop(milliseconds(100));
    ASSERT_TRUE(turn_until([&] { return stopped_; }));
    ASSERT_TRUE(client.wait_for_end());
    EXPECT_EQ(client.received(), "");
}

TEST_F(ServerStop, DestroyingTheServerWithEverythingInProgressIsSafe) {
    backend_.add("abc");
    backend_.hold_tracks = true;
    start();
    auto one = connect();
    one.send(get("/v1/transactions/abc?wait=10m"));
    auto two = connect();
    two.send(post("/v1/transactions", R"({"merchant_transaction_id":"new"})"));
    auto three = connect();
    three.send(get("/v1/events", "Accept: text/event-stream\r\n"));
    auto four = connect();
    four.send("POST /v1/hints HTTP/1.1\r\nContent-Length: 9\r\n\r\n{");
    ASSERT_TRUE(three.wait_for_text("\r\n\r\n"));
    ASSERT_TRUE(turn_until([&] { return backend_.waits.size() == 1 && backend_.held_track.has_value(); }));
    backend_.emit("{}");
    server_.reset();
    turn();
    (*backend_.held_track)(tracked{true, fake_backend::make_view("new")});
    EXPECT_EQ(backend_.listener, nullptr);
    turn();
}

} // namespace
} // namespace prooftrack::api
