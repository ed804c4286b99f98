#include "router_fixture.hpp"

#include "api/answer.hpp"
#include "api/tracking_body.hpp"
#include "base/own_url.hpp"

namespace prooftrack::api {
namespace {

class Transactions : public router_test {
  protected:
    api_response post(const std::string& body) { return ask("POST", "/v1/transactions", body, "application/json"); }
};

TEST_F(Transactions, AreCreatedWith201AndFoundWith200) {
    const std::string body = R"({"merchant_transaction_id":"abc"})";
    EXPECT_EQ(post(body).status, 201);
    EXPECT_EQ(post(body).status, 200);
    EXPECT_EQ(backend_.last_who.uid, 1000);
}

TEST_F(Transactions, ATraceparentGoesAlongWithEachOfTheRequest) {
    const auto post = [this](const char* type, std::string body, std::string traceparent) {
        request_head head;
        head.may_change = true;
        head.method = "POST";
        head.target = "/v1/transactions";
        head.content_type = type;
        head.traceparent = std::move(traceparent);
        return ask(std::move(head), std::move(body)).status;
    };
    EXPECT_EQ(post("application/json", R"({"merchant_transaction_id":"t1"})", "00-a-b-01"), 201);
    EXPECT_EQ(backend_.last_track->options.traceparent, "00-a-b-01");
    EXPECT_EQ(post("application/json", R"({"merchant_transaction_id":"t2"})", ""), 201);
    EXPECT_EQ(backend_.last_track->options.traceparent, "");
    EXPECT_EQ(post("application/x-ndjson", "t3\nt4\n", "00-a-b-01"), 200);
    ASSERT_EQ(backend_.last_import.size(), 2U);
    for (const import_line& line : backend_.last_import) EXPECT_EQ(line.request.options.traceparent, "00-a-b-01");
}

TEST_F(Transactions, AreShownInTheOrderOfTheContract) {
    backend_.add("abc");
    track::transaction_view& view = backend_.transactions.at("abc");
    EXPECT_EQ(
        ask("GET", "/v1/transactions/abc").body,
        R"({"merchant_transaction_id":"abc","state":"tracking","status":null,"metadata":{},"callback_url":null,)"
        R"("tracked_at":"2026-04-01T10:03:45.120Z","settled_at":null,"overdue_at":"2026-04-02T10:03:45.120Z",)"
        R"("last_polled_at":null,"next_poll_at":null,"polls":0,"consecutive_errors":0,"last_error":null,)"
        R"("proof":null})");
    view.facts.state = track::tracking_state::settled;
    view.facts.status = "completed";
    view.facts.settled_at = view.facts.tracked_at;
    view.facts.last_polled_at = view.facts.tracked_at;
    view.next_poll_at = view.facts.tracked_at;
    view.facts.polls = 12;
    view.consecutive_errors = 3;
    view.last_error = "connect: \"refused\"";
    view.metadata = "{ \"a\" : 1.10 }";
    view.callback_url = "https://shop.example/x";
    view.proof = "{\"amount\": 1.10,\n \"status\" : \"completed\"}";
    EXPECT_EQ(
        ask("GET", "/v1/transactions/abc").body,
        "{\"merchant_transaction_id\":\"abc\",\"state\":\"settled\",\"status\":\"completed\",\"metadata\":{ \"a\" : "
        "1.10 },"
        "\"callback_url\":\"https://shop.example/x\",\"tracked_at\":\"2026-04-01T10:03:45.120Z\","
        "\"settled_at\":\"2026-04-01T10:03:45.120Z\",\"overdue_at\":\"2026-04-02T10:03:45.120Z\","
        "\"last_polled_at\":\"2026-04-01T10:03:45.120Z\",\"next_poll_at\":\"2026-04-01T10:03:45.120Z\",\"polls\":12,"
        "\"consecutive_errors\":3,\"last_error\":\"connect: \\\"refused\\\"\",\"proof\":{\"amount\": 1.10,\n "
        "\"status\" : "
        "\"completed\"}}");
    view.node = "node-a";
    const std::string shared = ask("GET", "/v1/transactions/abc").body;
    EXPECT_NE(shared.find(R"("last_error":"connect: \"refused\"","node":"node-a","proof":{)"), std::string::npos)
        << shared;
}

TEST_F(Transactions, MetadataIsKeptByteForByte) {
    EXPECT_EQ(
        post(
            R"({"merchant_transaction_id":"a","metadata": { "n":1.10, "b" : [ 1 ,2], "n2":12345678901234567890123 } })")
            .status,
        201);
    EXPECT_EQ(backend_.last_track->options.metadata, R"({ "n":1.10, "b" : [ 1 ,2], "n2":12345678901234567890123 })");
    const std::string first = backend_.last_track->options.metadata_canonical;
    EXPECT_EQ(
        post(R"({"metadata":{"n2":12345678901234567890123,"b":[1,2],"n":1.1},"merchant_transaction_id":"b"})").status,
        201);
    EXPECT_EQ(backend_.last_track->options.metadata_canonical, first);
}

TEST_F(Transactions, MetadataIsAnObjectOfAtMost4KiB) {
    const auto body = [](std::size_t size) {
        return R"({"merchant_transaction_id":"a","metadata":{"k":")" + std::string(size - 8, 'x') + R"("}})";
    };
    EXPECT_EQ(post(body(max_metadata_bytes)).status, 201);
    EXPECT_EQ(problem_of(post(body(max_metadata_bytes + 1))), "400 invalid_request");
    for (const char* bad : {"[]", "null", "\"{}\"", "1"}) {
        EXPECT_EQ(
            problem_of(post(std::string(R"({"merchant_transaction_id":"a","metadata":)") + bad + "}")),
            "400 invalid_request");
    }
}

TEST_F(Transactions, ACallbackUrlHasABoundAndNoUserinfoOrFragment) {
    const auto with = [](const std::string& url) {
        return R"({"merchant_transaction_id":"a","callback_url":")" + url + "\"}";
    };
    const std::string stem = "https://shop.example/";
    EXPECT_EQ(post(with(stem + std::string(max_own_url_bytes - stem.size(), 'x'))).status, 201);
    EXPECT_EQ(
        problem_of(post(with(stem + std::string(max_own_url_bytes - stem.size() + 1, 'x')))), "400 invalid_request");
    for (const char* bad :
         {"", "shop.example", "ftp://shop.example/", "https://u:p@shop.example/", "https://shop.example/#x",
          "https:///x", "https://shop.example/a b"}) {
        EXPECT_EQ(post(with(bad)).status, 400) << bad;
    }
    EXPECT_EQ(post(with("http+unix:///run/shop.sock:/hooks")).status, 200);
    EXPECT_EQ(post(R"({"merchant_transaction_id":"n","callback_url":null})").status, 201);
    EXPECT_EQ(problem_of(post(R"({"merchant_transaction_id":"n","callback_url":5})")), "400 invalid_request");
}

TEST_F(Transactions, OverdueAfterIsADuration) {
    EXPECT_EQ(post(R"({"merchant_transaction_id":"a","overdue_after":"36h"})").status, 201);
    EXPECT_EQ(backend_.last_track->options.overdue_after, std::chrono::hours(36));
    for (const char* bad : {"\"36\"", "36", "\"0s\"", "\"-1s\"", "\"1 h\"", "null", "\"4000d\""}) {
        EXPECT_EQ(
            problem_of(post(std::string(R"({"merchant_transaction_id":"a","overdue_after":)") + bad + "}")),
            "400 invalid_request")
            << bad;
    }
}

TEST_F(Transactions, ABodyThatIsNotStrictJsonIs400) {
    const std::string deep =
        R"({"merchant_transaction_id":"a","metadata":{"d":)" + std::string(40, '[') + std::string(40, ']') + "}}";
    for (const std::string& bad :
         {std::string("not json"), std::string("[]"), std::string("\"abc\""), std::string("{}"),
          std::string(R"({"merchant_transaction_id":"a"} x)"),
          std::string(R"({"merchant_transaction_id":"a","merchant_transaction_id":"a"})"),
          std::string(R"({"merchant_transaction_id":"a","metadata":{"x":1,"x":2}})"),
          std::string(R"({"merchant_transaction_id":"a","metadata":{"x":NaN}})"),
          std::string(R"({"merchant_transaction_id":"a","metadata":{"x":1e999}})"),
          std::string(R"({"merchant_transaction_id":"a","metadata":{"x":"\ud800"}})"), deep,
          std::string("{\"merchant_transaction_id\":\"a\",\"metadata\":{\"x\":\"\xff\"}}"),
          std::string(R"({"merchant_transaction_id":"a","extra":1})"), std::string(R"({"merchant_transaction_id":7})"),
          std::string(R"({"merchant_transaction_id":"a b"})"), std::string(R"({"merchant_transaction_id":""})")}) {
        EXPECT_EQ(problem_of(post(bad)), "400 invalid_request") << bad;
    }
    EXPECT_TRUE(backend_.calls.empty());
}

TEST_F(Transactions, AWaitIsPassedOnUpToTenMinutes) {
    backend_.add("abc");
    EXPECT_EQ(ask("GET", "/v1/transactions/abc?wait=0s").status, 200);
    for (const char* bad : {"601s", "11m", "30", "", "-1s", "1h"}) {
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/transactions/abc?wait=") + bad)), "400 invalid_request")
            << bad;
    }
    std::optional<api_response> answer;
    request_head head;
    head.may_change = true;
    head.method = "GET";
    head.target = "/v1/transactions/abc?wait=10m";
    const request_ticket ticket =
        router_.handle({head, ""}, [&](api_response response) { answer = std::move(response); });
    EXPECT_EQ(backend_.calls.back(), "get abc 600000");
    ASSERT_NE(ticket, no_ticket);
    EXPECT_FALSE(answer);
    router_.cancel(ticket);
    EXPECT_EQ(backend_.cancelled, std::vector<wait_id>{wait_of(ticket)});
}

TEST_F(Transactions, TheListTakesItsFilters) {
    EXPECT_EQ(
        ask("GET", "/v1/transactions?state=settled&status=completed&settled_after=2026-04-01T00:00:00%2B02:00&"
                   "settled_before=2026-04-02T00:00:00Z&limit=1000&cursor=abc")
            .body,
        R"({"transactions":[],"next_cursor":null})");
    ASSERT_TRUE(backend_.last_list);
    EXPECT_EQ(backend_.last_list->state, track::tracking_state::settled);
    EXPECT_EQ(backend_.last_list->status, "completed");
    EXPECT_EQ(format_wall_time(*backend_.last_list->settled_after), "2026-03-31T22:00:00.000Z");
    EXPECT_EQ(format_wall_time(*backend_.last_list->settled_before), "2026-04-02T00:00:00.000Z");
    EXPECT_EQ(backend_.last_list->limit, 1000U);
    EXPECT_EQ(backend_.last_list->cursor, "abc");
    ask("GET", "/v1/transactions");
    EXPECT_EQ(backend_.last_list->limit, 100U);
}

TEST_F(Transactions, TheListRefusesUnknownValues) {
    for (const char* bad :
         {"state=bogus", "state=", "status=", "limit=0", "limit=1001", "limit=x", "limit=", "limit=+1",
          "cursor=", "settled_after=yesterday", "settled_before=2026-13-01T00:00:00Z"}) {
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/transactions?") + bad)), "400 invalid_request") << bad;
    }
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions?status=" + std::string(65, 'x'))), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/transactions?cursor=" + std::string(513, 'x'))), "400 invalid_request");
    EXPECT_FALSE(backend_.last_list);
}

TEST_F(Transactions, APageNamesTheNext) {
    backend_.next_list.transactions.push_back(fake_backend::make_view("a"));
    backend_.next_list.transactions.push_back(fake_backend::make_view("b"));
    backend_.next_list.next_cursor = "c\"1";
    const auto body = json_of(ask("GET", "/v1/transactions"));
    EXPECT_EQ(body.at("transactions").as_array().size(), 2U);
    EXPECT_EQ(body.at("next_cursor").as_string(), "c\"1");
}

TEST_F(Transactions, HistoryListsEachChangeAndTheDeliveries) {
    track::history_entry began;
    began.at = wall_time(milliseconds(1'775'037'825'120));
    track::history_entry settled = began;
    settled.from_state = track::tracking_state::tracking;
    settled.to_state = track::tracking_state::settled;
    settled.from_status = "processing";
    settled.to_status = "completed";
    settled.request_id = "req-1";
    settled.reply_sha256 = "ab12";
    const track::delivery_view delivery = fake_backend::make_delivery(9, "abc");
    backend_.next_history = {{began, settled}, {delivery}};
    EXPECT_EQ(
        ask("GET", "/v1/transactions/abc/history").body,
        R"({"changes":[{"at":"2026-04-01T10:03:45.120Z","from_state":null,"to_state":"tracking","from_status":null,)"
        R"("to_status":null,"request_id":null,"reply_sha256":null},{"at":"2026-04-01T10:03:45.120Z",)"
        R"("from_state":"tracking","to_state":"settled","from_status":"processing","to_status":"completed",)"
        R"("request_id":"req-1","reply_sha256":"ab12"}],"deliveries":[{"id":9,"event_id":"evt_1",)"
        R"("event_type":"transaction.completed","merchant_transaction_id":"abc","callback":"backend",)"
        R"("state":"pending",)"
        R"("attempts":0,"last_attempt_at":null,"last_error":null,"last_status":null,"next_attempt_at":null}]})");
}

TEST_F(Transactions, AreUntrackedPolledAndHinted) {
    backend_.add("abc");
    EXPECT_EQ(json_of(ask("DELETE", "/v1/transactions/abc")).at("state").as_string(), "untracked");
    EXPECT_EQ(ask("POST", "/v1/transactions/abc/poll").status, 202);
    EXPECT_EQ(
        ask("POST", "/v1/hints", R"({"merchant_transaction_id":"abc","status":"completed","x":{"y":[1]}})").status,
        202);
    EXPECT_EQ(backend_.calls.back(), "hint abc");
    EXPECT_EQ(problem_of(ask("POST", "/v1/hints", R"({"status":"completed"})")), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("POST", "/v1/hints", R"([])")), "400 invalid_request");
}

} // namespace
} // namespace prooftrack::api
