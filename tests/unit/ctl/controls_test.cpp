// pause, resume, flush, dismiss: from the arguments to the request, and what the other commands say of them.

#include <gtest/gtest.h>

#include "fixed_now.hpp"
#include "parsed_command.hpp"
#include "prooftrackctl/controls_view.hpp"
#include "prooftrackctl/exit_status.hpp"
#include "prooftrackctl/explanation.hpp"
#include "prooftrackctl/requests.hpp"
#include "prooftrackctl/status_view.hpp"

namespace prooftrack::ctl {
namespace {

TEST(Controls, PauseResumeAndFlushNameACallback) {
    for (const char* verb : {"pause", "resume", "flush"}) {
        const api_request request = callback_control_request(parsed<callback_control_command>({verb, "back_end"}));
        EXPECT_EQ(request.method, "POST");
        EXPECT_EQ(request.target, "/v1/callbacks/back_end/" + std::string(verb));
        EXPECT_EQ(request.body, "");
        EXPECT_EQ(refused({verb}).status, exit_status::usage);
        EXPECT_EQ(refused({verb, "a", "b"}).status, exit_status::usage);
    }
    EXPECT_EQ(
        callback_control_request(parsed<callback_control_command>({"pause", "a/b"})).target,
        "/v1/callbacks/a%2Fb/pause");
}

TEST(Controls, DismissNamesADeliveryOrAllDeadOnes) {
    const api_request one = dismiss_request(parsed<dismiss_command>({"dismiss", "12", "--note", "told \"twice\""}));
    EXPECT_EQ(one.target, "/v1/deliveries/12/dismiss");
    EXPECT_EQ(one.body, R"({"note":"told \"twice\""})");
    EXPECT_EQ(dismiss_request(parsed<dismiss_command>({"dismiss", "12"})).body, "{}");
    const api_request all =
        dismiss_request(parsed<dismiss_command>({"dismiss", "--dead", "--callback", "ledger", "--note", "x"}));
    EXPECT_EQ(all.target, "/v1/deliveries/dismiss");
    EXPECT_EQ(all.body, R"({"state":"dead","callback":"ledger","note":"x"})");
    EXPECT_EQ(dismiss_request(parsed<dismiss_command>({"dismiss", "--dead"})).body, R"({"state":"dead"})");
}

TEST(Controls, ADismissalOfNothingOrOfBothIsRefused) {
    for (const std::vector<std::string>& bad : std::vector<std::vector<std::string>>{
             {"dismiss"},
             {"dismiss", "--note", "x"},
             {"dismiss", "t-1"},
             {"dismiss", "-1"},
             {"dismiss", "12", "--dead"},
             {"dismiss", "12", "--callback", "ledger"}}) {
        EXPECT_EQ(refused(bad).status, exit_status::usage) << bad.back();
    }
}

std::string said_of(std::vector<std::string> arguments, const std::string& answer) {
    return describe(parsed<callback_control_command>(std::move(arguments)), json_view::parse(answer));
}

TEST(Controls, EachIsAnsweredInASentence) {
    EXPECT_EQ(
        said_of({"pause", "a"}, R"({"state":"paused","backlog":1,"paused_since":"2026-04-01T09:58:00.000Z"})"),
        "a is paused (since 2026-04-01T09:58:00.000Z), with 1 delivery waiting; `prooftrackctl resume a` lets it go "
        "on");
    const auto resumed = [](const std::string& state, const std::string& backlog) {
        return said_of({"resume", "a"}, R"({"state":")" + state + R"(","backlog":)" + backlog + "}");
    };
    EXPECT_EQ(resumed("ok", "0"), "a is not paused any more; nothing waits for it");
    EXPECT_EQ(resumed("ok", "2000"), "a is not paused any more, with 2,000 deliveries to be made now");
    EXPECT_EQ(
        resumed("failing", "1"), "a is not paused any more, with 1 delivery to be made when it answers: it is failing, "
                                 "`prooftrackctl status` says why");
    EXPECT_EQ(
        resumed("unconfigured", "2"),
        "a is not paused any more, with 2 deliveries to be made when a [[callback]] has this name again");
    EXPECT_EQ(said_of({"flush", "a"}, R"({"due":0})"), "nothing waits for a");
    EXPECT_EQ(said_of({"flush", "a"}, R"({"due":1})"), "1 delivery to a is due now");
    EXPECT_EQ(said_of({"flush", "a"}, R"({"due":2})"), "2 deliveries to a are due now");
}

TEST(Controls, ADismissalSaysWhatWasDismissed) {
    const auto said = [](std::vector<std::string> arguments, const std::string& answer) {
        return describe(parsed<dismiss_command>(std::move(arguments)), json_view::parse(answer));
    };
    EXPECT_EQ(
        said({"dismiss", "7"}, R"({"event_type":"transaction.completed","callback":"a"})"),
        "delivery 7 (transaction.completed to a) is dismissed");
    EXPECT_EQ(said({"dismiss", "--dead"}, R"({"dismissed":1})"), "1 dead delivery is dismissed");
    EXPECT_EQ(
        said({"dismiss", "--dead", "--callback", "a"}, R"({"dismissed":2})"), "2 dead deliveries to a are dismissed");
    EXPECT_EQ(
        said({"dismiss", "--dead", "--callback", "a"}, R"({"dismissed":0})"),
        "no delivery to a is dead: there was nothing to dismiss");
}

TEST(Controls, MaintenanceIsAnsweredInASentence) {
    const auto said = [](const std::string& verb, const std::string& mark) {
        return describe(parsed<maintenance_command>({"maintenance", verb}), json_view::parse(mark), look{}, now);
    };
    const std::string on = R"({"on":true,"since":"2026-04-01T09:58:00.000Z","note":"night"})";
    EXPECT_EQ(said("on", on), "maintenance is on for 2m: nothing is polled, nothing delivered (night)");
    EXPECT_EQ(said("off", R"({"on":false})"), "maintenance is off: polls and deliveries go on");
    EXPECT_EQ(said("status", "null"), "maintenance is off");
}

TEST(Controls, DismissedIsAStateOfDeliveries) {
    EXPECT_EQ(parsed<deliveries_command>({"deliveries", "--state", "dismissed"}).state, "dismissed");
    const parse_end end = refused({"deliveries", "--state", "gone"});
    EXPECT_NE(end.text.find("pending, delivered, dead or dismissed"), std::string::npos) << end.text;
}

TEST(Controls, AnExplanationSaysWhatIsPausedAndWhatWasDismissed) {
    const std::string transaction = R"({"merchant_transaction_id":"t-1","state":"settled","status":"completed",)"
                                    R"("settled_at":"2026-04-01T09:59:00.000Z","next_poll_at":null,"polls":3})";
    const std::string history = R"({"changes":[],"deliveries":[
        {"id":1,"event_type":"transaction.completed","callback":"backend","state":"pending","attempts":1,
        "last_error":"callback paused","next_attempt_at":null},
        {"id":2,"event_type":"transaction.completed","callback":"ledger","state":"dismissed","attempts":8,
        "last_error":"500","note":"told by phone"},
        {"id":3,"event_type":"transaction.completed","callback":"audit","state":"dismissed","attempts":1}]})";
    const std::string status = R"({"proof":{"health":"ok"},"callbacks":[{"name":"backend","state":"paused"}]})";
    const explanation explained =
        explain({json_view::parse(transaction), json_view::parse(history), json_view::parse(status)}, now);
    ASSERT_EQ(explained.deliveries.size(), 3U);
    EXPECT_EQ(
        explained.deliveries[0].what,
        "waits, 1 attempt so far: a user has paused the callback, `prooftrackctl resume backend` lets it go on");
    EXPECT_EQ(explained.deliveries[1].what, "given up after 8 attempts, then dismissed by a user: told by phone");
    EXPECT_EQ(explained.deliveries[2].what, "given up after 1 attempt, then dismissed by a user");
}

TEST(Controls, WhatIsDismissedNeedsNoRedelivery) {
    const std::string transaction = R"({"merchant_transaction_id":"t-1","state":"settled","status":"completed"})";
    const std::string history = R"({"changes":[],"deliveries":[
        {"id":2,"event_type":"transaction.completed","callback":"ledger","state":"dismissed","attempts":8}]})";
    const explanation explained = explain({json_view::parse(transaction), json_view::parse(history), {}}, now);
    EXPECT_EQ(explained.actions.back(), "prooftrackctl redeliver t-1: sends its events again (same ids)");
}

TEST(Controls, TheStatusSaysWhatIsPaused) {
    const std::string text = format_status(
        json_view::parse(R"({"proof":{"health":"ok","since":null,"detail":null},"callbacks":[{"name":"backend",
        "state":"paused","backlog":12,"oldest_undelivered_seconds":95,"dead":0,"failing_since":null,
        "last_error":null,"next_try_at":null,"paused_since":"2026-04-01T09:58:00.000Z"},{"name":"ledger",
        "state":"ok","backlog":0,"oldest_undelivered_seconds":0,"dead":0,"paused_since":null}]})"),
        {}, now, 0);
    EXPECT_NE(text.find("backend was paused 2m ago: `prooftrackctl resume backend` lets it go on\n"), std::string::npos)
        << text;
    EXPECT_EQ(text.find("ledger was paused"), std::string::npos) << text;
}

} // namespace
} // namespace prooftrack::ctl
