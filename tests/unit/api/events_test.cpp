#include "router_fixture.hpp"

namespace prooftrack::api {
namespace {

class Events : public router_test {
  protected:
    api_response stream(std::string target, std::string last_event_id = {}) {
        request_head head;
        head.may_change = true;
        head.method = "GET";
        head.target = std::move(target);
        head.accept = "Text/Event-Stream";
        head.last_event_id = std::move(last_event_id);
        return ask(std::move(head));
    }
    void emit(int count) {
        for (int i = 0; i < count; ++i) backend_.emit(fmt::format("{{\"n\":{}}}", backend_.log.size() + 1));
    }
    void run() {
        loop_.restart();
        loop_.poll();
    }
    /// Everything the reader has now, as one text; `state` is what it said last.
    std::string pull(body_stream& reader) {
        std::string all;
        for (;;) {
            std::vector<shared_bytes> bytes;
            state_ = reader.next(bytes);
            for (const auto& part : bytes) all += *part;
            if (state_ != body_stream::progress::more) return all;
        }
    }
    body_stream::progress state_ = body_stream::progress::more;
};

TEST_F(Events, APageEmbedsTheBytesAndNamesTheNextPosition) {
    backend_.emit("{\"id\":\"e1\", \"x\":1.10}");
    backend_.emit("{\"id\":\"e2\"}");
    EXPECT_EQ(
        ask("GET", "/v1/events").body,
        R"({"events":[{"id":"e1", "x":1.10},{"id":"e2"}],"next_after":2,"log_id":"log"})");
    EXPECT_EQ(ask("GET", "/v1/events?after=2").body, R"({"events":[],"next_after":2,"log_id":"log"})");
    EXPECT_EQ(json_of(ask("GET", "/v1/events?limit=1")).at("next_after").as_int64(), 1);
}

TEST_F(Events, RefuseBadPositionsLimitsAndWaits) {
    for (const char* bad :
         {"after=-1", "after=x", "after=", "after=18446744073709551616", "limit=0", "limit=1001", "wait=11m",
          "wait=5"}) {
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/events?") + bad)), "400 invalid_request") << bad;
    }
}

TEST_F(Events, APositionThatIsGoneIs410AlsoForAStream) {
    emit(10);
    backend_.pruned = 5;
    for (const auto& response :
         {ask("GET", "/v1/events?after=3"), ask("GET", "/v1/events?after=11"), stream("/v1/events?after=3"),
          stream("/v1/events", "11")}) {
        EXPECT_EQ(problem_of(response), "410 cursor_gone");
        EXPECT_EQ(json_of(response).at("oldest_seq").as_int64(), 6);
        EXPECT_EQ(json_of(response).at("last_seq").as_int64(), 10);
    }
}

TEST_F(Events, AStreamWithoutAPositionStartsNow) {
    emit(3);
    const auto response = stream("/v1/events");
    EXPECT_EQ(response.content_type, "text/event-stream");
    ASSERT_TRUE(response.stream);
    EXPECT_EQ(pull(*response.stream), "");
    EXPECT_EQ(state_, body_stream::progress::wait);
    emit(1);
    EXPECT_EQ(pull(*response.stream), "id: 4\ndata: {\"n\":4}\n\n");
}

TEST_F(Events, LastEventIdWinsOverAfter) {
    emit(5);
    EXPECT_EQ(pull(*stream("/v1/events?after=1", "4").stream), "id: 5\ndata: {\"n\":5}\n\n");
    EXPECT_EQ(pull(*stream("/v1/events?after=4").stream), "id: 5\ndata: {\"n\":5}\n\n");
    EXPECT_EQ(problem_of(stream("/v1/events", "x")), "400 invalid_request");
    EXPECT_EQ(problem_of(stream("/v1/events?limit=5")), "400 invalid_request");
}

TEST_F(Events, LineBreaksInAnEventBecomeSpacesInAStream) {
    backend_.emit("{\"a\":1,\r\n\"b\":2}");
    EXPECT_EQ(pull(*stream("/v1/events?after=0").stream), "id: 1\ndata: {\"a\":1,  \"b\":2}\n\n");
}

TEST_F(Events, AReaderThatCatchesUpIsGivenPagesAndThenTheLiveOnes) {
    emit(600);
    auto response = stream("/v1/events?after=0");
    backend_.event_pages = 0;
    std::vector<shared_bytes> first;
    ASSERT_EQ(response.stream->next(first), body_stream::progress::more);
    EXPECT_EQ(first.size(), catch_up_page);
    EXPECT_EQ(backend_.event_pages, 1U); // the next page only when this one is in the socket
    std::string rest = pull(*response.stream);
    EXPECT_EQ(backend_.event_pages, (600 + catch_up_page - 1) / catch_up_page);
    EXPECT_TRUE(rest.ends_with("id: 600\ndata: {\"n\":600}\n\n"));
    EXPECT_EQ(state_, body_stream::progress::wait);
    emit(2);
    EXPECT_EQ(pull(*response.stream), "id: 601\ndata: {\"n\":601}\n\nid: 602\ndata: {\"n\":602}\n\n");
    EXPECT_EQ(backend_.event_pages, (600 + catch_up_page - 1) / catch_up_page);
}

TEST_F(Events, ReadersShareTheBytes) {
    const auto one = stream("/v1/events");
    const auto two = stream("/v1/events");
    emit(1);
    std::vector<shared_bytes> first;
    std::vector<shared_bytes> second;
    one.stream->next(first);
    two.stream->next(second);
    ASSERT_EQ(first.size(), 1U);
    ASSERT_EQ(second.size(), 1U);
    EXPECT_EQ(first[0].get(), second[0].get());
}

TEST_F(Events, AWaitingReaderIsWokenOnceForABurst) {
    const auto response = stream("/v1/events");
    int woken = 0;
    response.stream->set_waker([&] { ++woken; });
    pull(*response.stream);
    emit(50);
    run();
    EXPECT_EQ(woken, 1);
    const std::string text = pull(*response.stream);
    EXPECT_EQ(std::count(text.begin(), text.end(), 'n'), 50);
}

TEST_F(Events, EveryReaderOfThousandsIsWoken) {
    std::vector<api_response> readers;
    int woken = 0;
    for (int i = 0; i < 1'000; ++i) {
        readers.push_back(stream("/v1/events"));
        readers.back().stream->set_waker([&] { ++woken; });
        pull(*readers.back().stream);
    }
    emit(1);
    EXPECT_EQ(woken, 0); // not from inside the engine's call
    run();
    EXPECT_EQ(woken, 1'000);
}

TEST_F(Events, AReaderThatTakesNothingWhile1024EventsArriveIsCutOff) {
    const auto response = stream("/v1/events");
    int woken = 0;
    emit(1);
    std::vector<shared_bytes> bytes;
    ASSERT_EQ(response.stream->next(bytes), body_stream::progress::more); // writing from here on
    response.stream->set_waker([&] { ++woken; });
    emit(1023);
    run();
    EXPECT_EQ(woken, 0);
    emit(1);
    run();
    EXPECT_EQ(woken, 1);
    EXPECT_EQ(response.stream->next(bytes), body_stream::progress::broken);
}

TEST_F(Events, AReaderThatTakesAByteNowAndThenIsKeptAndCatchesUp) {
    const auto response = stream("/v1/events");
    emit(1);
    std::vector<shared_bytes> bytes;
    ASSERT_EQ(response.stream->next(bytes), body_stream::progress::more);
    for (int i = 0; i < 5; ++i) {
        emit(1000);
        run();
        response.stream->on_progress();
    }
    const std::string text = pull(*response.stream);
    EXPECT_TRUE(text.starts_with("id: 2\n"));
    EXPECT_NE(text.find("id: 5001\n"), std::string::npos);
    EXPECT_EQ(state_, body_stream::progress::wait);
}

TEST_F(Events, AStreamWhosePositionWasPrunedMeanwhileEnds) {
    emit(600);
    const auto response = stream("/v1/events?after=1");
    std::vector<shared_bytes> bytes;
    ASSERT_EQ(response.stream->next(bytes), body_stream::progress::more);
    backend_.pruned = 500;
    EXPECT_EQ(response.stream->next(bytes), body_stream::progress::broken);
}

TEST_F(Events, AStreamOutlivesTheHubSafely) {
    auto hub = std::make_unique<event_hub>(loop_.get_executor(), backend_);
    const auto reader = hub->open(event_seq{0});
    backend_.emit("{}");
    hub.reset();
    EXPECT_EQ(backend_.listener, nullptr);
    std::vector<shared_bytes> bytes;
    EXPECT_EQ(reader->next(bytes), body_stream::progress::broken);
    run();
}

class Deliveries : public router_test {};

TEST_F(Deliveries, TakeTheirFilters) {
    EXPECT_EQ(
        ask("GET", "/v1/deliveries?state=dead&callback=backend&merchant_transaction_id=abc&limit=5&cursor=9").status,
        200);
    EXPECT_EQ(backend_.last_deliveries->state, track::delivery_state::dead);
    EXPECT_EQ(backend_.last_deliveries->callback, "backend");
    EXPECT_EQ(backend_.last_deliveries->transaction, "abc");
    EXPECT_EQ(backend_.last_deliveries->limit, 5U);
    for (const char* bad :
         {"state=late", "callback=", "callback=Backend", "merchant_transaction_id=a%20b", "limit=0", "cursor="}) {
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/deliveries?") + bad)), "400 invalid_request") << bad;
    }
}

TEST_F(Deliveries, AreRetriedOneOrAllDead) {
    EXPECT_EQ(ask("POST", "/v1/deliveries/17/retry").status, 202);
    EXPECT_EQ(backend_.calls.back(), "retry 17");
    EXPECT_EQ(ask("POST", "/v1/deliveries/retry", R"({"state":"dead"})").body, R"({"retried":7})");
    EXPECT_EQ(backend_.calls.back(), "retry dead *");
    EXPECT_EQ(ask("POST", "/v1/deliveries/retry", R"({"state":"dead","callback":"ledger"})").status, 202);
    EXPECT_EQ(backend_.calls.back(), "retry dead ledger");
    EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/x/retry")), "400 invalid_request");
    for (const char* bad :
         {"{}", R"({"state":"pending"})", R"({"state":"dead","callback":"A B"})", R"({"state":"dead","x":1})"}) {
        EXPECT_EQ(problem_of(ask("POST", "/v1/deliveries/retry", bad)), "400 invalid_request") << bad;
    }
}

class Consumers : public router_test {};

TEST_F(Consumers, ArePutAcknowledgedListedAndDeleted) {
    EXPECT_EQ(ask("PUT", "/v1/consumers/shop").status, 201);
    EXPECT_EQ(backend_.calls.back(), "put shop now");
    EXPECT_EQ(
        ask("PUT", "/v1/consumers/shop", R"({"seq":3})").body, R"({"name":"shop","seq":3,"lag":0,"age_seconds":0})");
    EXPECT_EQ(ask("POST", "/v1/consumers/shop/ack", R"({"seq":5})").status, 200);
    EXPECT_EQ(backend_.calls.back(), "ack shop 5");
    backend_.next_consumers = {
        {"a", event_seq{1}, 4, backend_.wall_now() - seconds(90)}, {"b", event_seq{2}, 0, std::nullopt}};
    EXPECT_EQ(
        ask("GET", "/v1/consumers").body,
        R"({"consumers":[{"name":"a","seq":1,"lag":4,"age_seconds":90},{"name":"b","seq":2,"lag":0,)"
        R"("age_seconds":0}]})");
    EXPECT_EQ(ask("DELETE", "/v1/consumers/shop").status, 200);
}

TEST_F(Consumers, HaveBoundedNamesAndWholePositions) {
    EXPECT_EQ(ask("PUT", "/v1/consumers/" + std::string(64, 'a')).status, 201);
    EXPECT_EQ(problem_of(ask("PUT", "/v1/consumers/" + std::string(65, 'a'))), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("PUT", "/v1/consumers/a%20b")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("PUT", "/v1/consumers/..")), "400 invalid_request");
    for (const char* bad : {R"({"seq":-1})", R"({"seq":1.5})", R"({"seq":"1"})", R"({"seq":1,"x":2})", "[]"}) {
        EXPECT_EQ(problem_of(ask("PUT", "/v1/consumers/shop", bad)), "400 invalid_request") << bad;
        EXPECT_EQ(problem_of(ask("POST", "/v1/consumers/shop/ack", bad)), "400 invalid_request") << bad;
    }
    EXPECT_EQ(problem_of(ask("POST", "/v1/consumers/shop/ack", "{}")), "400 invalid_request");
}

TEST_F(Consumers, ACallbackTestShowsTheAnswer) {
    backend_.next_test = {200, milliseconds(12), "ok\n\"", ""};
    EXPECT_EQ(
        ask("POST", "/v1/callbacks/backend/test").body,
        R"({"status":200,"duration_ms":12,"body":"ok\u000a\"","error":null})");
    backend_.next_test = {0, milliseconds(2), "", ""}; // a command's exit status
    EXPECT_EQ(ask("POST", "/v1/callbacks/backend/test").body, R"({"status":0,"duration_ms":2,"body":"","error":null})");
    backend_.next_test = {std::nullopt, milliseconds(3), "", "connect: refused"};
    EXPECT_EQ(
        ask("POST", "/v1/callbacks/backend/test").body,
        R"({"status":null,"duration_ms":3,"body":"","error":"connect: refused"})");
    EXPECT_EQ(problem_of(ask("POST", "/v1/callbacks/Bad%20name/test")), "400 invalid_request");
}

} // namespace
} // namespace prooftrack::api
