#include <gtest/gtest.h>

#include "fixed_now.hpp"
#include "prooftrackctl/explanation.hpp"

namespace prooftrack::ctl {
namespace {

std::string transaction(
    const std::string& state, const std::string& status, const std::string& next, const std::string& more = "") {
    return R"({"merchant_transaction_id":"t-1","state":")" + state + R"(","status":)" + status + R"(,"next_poll_at":)" +
           next +
           R"(,"tracked_at":"2026-04-01T09:00:00.000Z","overdue_at":"2026-04-02T09:00:00.000Z",)"
           R"("settled_at":"2026-04-01T09:59:00.000Z","polls":3)" +
           more + "}";
}

struct world {
    std::string transaction_text;
    std::string history_text = R"({"changes":[],"deliveries":[]})";
    std::string status_text =
        R"({"proof":{"health":"ok","since":"2026-04-01T00:00:00.000Z","detail":null},"callbacks":[{"name":"backend",)"
        R"("state":"ok"}]})";
    explanation explained() const {
        return explain(
            {json_view::parse(transaction_text), json_view::parse(history_text), json_view::parse(status_text)}, now);
    }
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Explanation, EveryStateSaysWhy) {
    const std::string soon = R"("2026-04-01T10:00:04.000Z")";
    EXPECT_TRUE(contains(
        world{transaction("tracking", "\"processing\"", soon)}.explained().why, "last word is \"processing\""));
    EXPECT_TRUE(
        contains(world{transaction("tracking", "\"on_hold\"", soon)}.explained().why, "does not know the word"));
    EXPECT_TRUE(contains(
        world{transaction("settled", "\"completed\"", "null")}.explained().why, "Proof said \"completed\" 1m ago"));
    EXPECT_TRUE(contains(world{transaction("overdue", "null", soon)}.explained().why, "That is not a failure"));
    EXPECT_TRUE(contains(world{transaction("not_found", "null", soon)}.explained().why, "404"));
    EXPECT_TRUE(contains(
        world{transaction("rejected", "null", soon, R"(,"last_error":"400 invalid_request")")}.explained().why,
        "400 invalid_request"));
    EXPECT_TRUE(contains(world{transaction("abandoned", "\"pending\"", "null")}.explained().why, "give_up_after"));
    EXPECT_TRUE(contains(world{transaction("untracked", "null", "null")}.explained().why, "A user ended"));
}

TEST(Explanation, OneOfAnotherNodeIsPlannedThere) {
    world other{transaction("tracking", "\"pending\"", "null", R"(,"node":"pay-2")")};
    other.status_text = R"({"proof":{"health":"ok"},"callbacks":[],"cluster":{"node":"pay-1","nodes":[]}})";
    EXPECT_TRUE(contains(other.explained().next, "Node pay-2 polls it")) << other.explained().next;
    other.transaction_text = transaction("settled", "\"failed\"", "null", R"(,"node":"pay-2")");
    EXPECT_TRUE(contains(other.explained().next, "Node pay-2 knows")) << other.explained().next;
    other.transaction_text = transaction("untracked", "null", "null", R"(,"node":"pay-2")");
    EXPECT_EQ(other.explained().next, "No poll is planned: it is untracked.");
    other.transaction_text = transaction("tracking", "\"pending\"", "null", R"(,"node":"pay-1")");
    EXPECT_TRUE(contains(other.explained().next, "No poll is planned now")) << other.explained().next;
}

TEST(Explanation, MaintenanceSaysWhyNothingGoesOn) {
    world held{transaction("tracking", "\"pending\"", "null")};
    held.history_text =
        R"({"changes":[],"deliveries":[{"id":"1","event_type":"transaction.overdue","callback":"backend",)"
        R"("state":"pending","attempts":0,"next_attempt_at":"2026-04-01T09:59:00.000Z"}]})";
    held.status_text = R"({"proof":{"health":"ok"},"callbacks":[{"name":"backend","state":"ok"}],)"
                       R"("maintenance":{"on":true,"since":"2026-04-01T09:00:00.000Z","note":null}})";
    EXPECT_TRUE(contains(held.explained().next, "maintenance is on since 1h ago")) << held.explained().next;
    ASSERT_EQ(held.explained().deliveries.size(), 1U);
    EXPECT_TRUE(contains(held.explained().deliveries[0].what, "waits until maintenance is off"));
}

TEST(Explanation, TheNextPollSaysWhyThen) {
    const std::string soon = R"("2026-04-01T10:00:04.000Z")";
    EXPECT_EQ(
        world{transaction("tracking", "\"pending\"", soon)}.explained().next,
        "The next poll is in 4s (poll.interval: the band for open transactions).");
    EXPECT_TRUE(contains(
        world{transaction("tracking", "null", soon, R"(,"consecutive_errors":2,"last_error":"500")")}.explained().next,
        "poll.backoff"));
    EXPECT_TRUE(contains(world{transaction("overdue", "null", soon)}.explained().next, "poll.tail_interval"));
    EXPECT_TRUE(contains(world{transaction("settled", "\"failed\"", soon)}.explained().next, "poll.verify_after"));
    EXPECT_TRUE(contains(world{transaction("settled", "\"failed\"", "null")}.explained().next, "No poll is planned"));
    EXPECT_TRUE(contains(
        world{transaction("tracking", "null", R"("2026-04-01T09:59:00.000Z")")}.explained().next, "was due 1m ago"));
    world refused{transaction("tracking", "null", soon)};
    refused.status_text =
        R"({"proof":{"health":"unauthorized","since":"2026-04-01T09:00:00.000Z","detail":"401 invalid_token"}})";
    EXPECT_TRUE(contains(refused.explained().next, "Proof is unauthorized since 1h ago"));
    EXPECT_TRUE(contains(refused.explained().actions.back(), "client_token"));
}

TEST(Explanation, AReversalIsReportedAsOne) {
    world reversed{transaction("settled", "\"completed\"", "null")};
    reversed.history_text = R"({"changes":[
        {"at":"2026-04-01T09:59:30.000Z","from_state":"settled","to_state":"settled","from_status":"failed",
        "to_status":"completed","request_id":"r-2"},
        {"at":"2026-04-01T09:50:00.000Z","from_state":"tracking","to_state":"settled","from_status":"pending",
        "to_status":"failed","request_id":"r-1"}],
        "deliveries":[]})";
    EXPECT_TRUE(contains(reversed.explained().why, "first said \"failed\" and changed its word to \"completed\""));
    EXPECT_TRUE(contains(reversed.explained().why, "r-2"));
}

TEST(Explanation, EachDeliverySaysWhatItWaitsBehind) {
    world owed{transaction("settled", "\"completed\"", "null")};
    owed.history_text = R"({"changes":[],"deliveries":[
        {"id":4,"event_type":"transaction.reversed","callback":"backend","state":"pending","attempts":0,
        "next_attempt_at":null},
        {"id":3,"event_type":"transaction.completed","callback":"backend","state":"pending","attempts":2,
        "last_error":"500","next_attempt_at":"2026-04-01T10:05:00.000Z"},
        {"id":1,"event_type":"transaction.overdue","callback":"backend","state":"delivered","attempts":1,
        "last_attempt_at":"2026-04-01T09:00:00.000Z"},
        {"id":2,"event_type":"transaction.overdue","callback":"old","state":"pending","attempts":0},
        {"id":5,"event_type":"transaction.completed","callback":"ledger","state":"pending","attempts":1},
        {"id":6,"event_type":"transaction.completed","callback":"gone","state":"dead","attempts":8,
        "last_error":"410"}]})";
    owed.status_text = R"({"proof":{"health":"ok"},"callbacks":[{"name":"backend","state":"ok"},{"name":"old",)"
                       R"("state":"unconfigured"},{"name":"ledger","state":"failing"}]})";
    const auto explained = owed.explained();
    ASSERT_EQ(explained.deliveries.size(), 6U);
    EXPECT_EQ(explained.deliveries[0].what, "arrived 1h ago, 1 attempt");
    EXPECT_EQ(explained.deliveries[1].what, "waits until the callback is configured again");
    EXPECT_EQ(explained.deliveries[2].what, "2 attempts so far, the next in 5m; the last attempt: 500");
    EXPECT_EQ(explained.deliveries[3].what, "waits behind delivery 3 (transaction.completed): order is kept");
    EXPECT_TRUE(contains(explained.deliveries[4].what, "is failing"));
    EXPECT_EQ(explained.deliveries[5].what, "dead after 8 attempts: 410");
    EXPECT_TRUE(contains(explained.actions.back(), "redeliver t-1"));
}

TEST(Explanation, APausedCallbackIsResumedAndNotSentToAgain) {
    world paused{transaction("settled", "\"completed\"", "null")};
    const auto with_state = [&paused](const char* state) {
        paused.history_text = std::string(R"({"changes":[],"deliveries":[{"id":3,"callback":"backend","attempts":1,)") +
                              R"("event_type":"transaction.completed","state":")" + state + "\"}]}";
        return paused.explained().actions.back();
    };
    paused.status_text = R"({"proof":{"health":"ok"},"callbacks":[{"name":"backend","state":"paused"}]})";
    for (const char* state : {"pending", "dead", "delivered"})
        EXPECT_TRUE(contains(with_state(state), "prooftrackctl resume backend: ends the pause")) << state;
    paused.history_text = R"({"changes":[],"deliveries":[
        {"id":3,"event_type":"transaction.completed","callback":"backend","state":"delivered","attempts":1},
        {"id":4,"event_type":"transaction.completed","callback":"ledger","state":"dead","attempts":1}]})";
    EXPECT_TRUE(contains(paused.explained().actions.back(), "redeliver t-1")) << "nothing of it is for the paused one";
}

} // namespace
} // namespace prooftrack::ctl
