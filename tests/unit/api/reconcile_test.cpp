// POST /v1/reconcile: what is refused, and what a list becomes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/reconcile_form.hpp"
#include "support/fake_export.hpp"
#include "support/made_up_source.hpp"
#include "unit/api/router_fixture.hpp"

namespace prooftrack::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using lines = std::vector<std::string>;
constexpr const char* ndjson = "application/x-ndjson";
constexpr const char* csv_type = "text/csv";

/// One transaction of each class, and two that agree.
struct one_of_each : made_up_source {
    one_of_each() {
        listed = {settled_as("fine", "completed"),        settled_as("reversed", "failed"),
                  settled_as("status", "failed"),         settled_as("amount", "completed"),
                  settled_as("credited", "failed"),       settled_as("missed", "completed"),
                  settled_as("undelivered", "completed"), still_pending("open"),
                  settled_as("extra", "completed"),       settled_as("agreed", "cancelled")};
        owed = {"undelivered"};
        former["reversed"] = {"completed"};
    }
};

constexpr const char* list_of_each =
    "merchant_transaction_id,status,fiat_amount,credited\r\n"
    "open,pending,,\r\nfine,completed,100,true\r\na b,,,\r\nreversed,completed,100,true\r\nstatus,completed,100,\r\n"
    "amount,completed,90,true\r\nfine,failed,100,true\r\ncredited,failed,100,true\r\nmissed,completed,100,false\r\n"
    "undelivered,completed,100,true\r\nagreed,cancelled,100.00,false\r\nunknown,completed,5,true\r\n";

lines run(const track::reconcile_job& job, track::reconcile_source& source) {
    lines written;
    job(source, [&written](std::string_view line) { written.emplace_back(line); });
    return written;
}

/// `class id`, `unreadable LINE`, `summary`.
std::string named(const std::string& line) {
    const auto one = boost::json::parse(line).as_object();
    if (one.contains("summary")) return "summary";
    if (one.contains("error")) return "unreadable " + std::to_string(one.at("line").as_int64());
    return std::string(one.at("class").as_string()) + " " + std::string(one.at("merchant_transaction_id").as_string());
}

lines names_of(const lines& written) {
    lines names;
    for (const std::string& line : written) names.push_back(named(line));
    return names;
}

class Reconcile : public router_test {};

TEST_F(Reconcile, ADifferenceALineByClassThenWhatCannotBeReadThenTheSummary) {
    backend_.next_export = std::make_shared<fake_byte_source>("{}\n");
    const api_response answer = ask("POST", "/v1/reconcile", list_of_each, "Text/CSV; charset=utf-8");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, ndjson);
    EXPECT_TRUE(answer.chunked);
    ASSERT_TRUE(answer.stream);
    ASSERT_TRUE(backend_.last_reconcile);
    one_of_each source;
    const lines written = run(*backend_.last_reconcile, source);
    EXPECT_THAT(
        names_of(written),
        ElementsAre(
            "unknown_here unknown", "reversed_since reversed", "status_differs status", "amount_differs amount",
            "credited_but_not_completed credited", "completed_but_not_credited missed", "not_delivered undelivered",
            "still_open open", "here_but_not_given extra", "unreadable 4", "unreadable 8", "summary"));
    EXPECT_THAT(
        written.at(3),
        HasSubstr(R"({"class": "amount_differs", "merchant_transaction_id": "amount", "line": 7, "given": {"status": )"
                  R"("completed", "fiat_amount": "90", "fiat_currency": null, "credited": true}, "here": {"state": )"
                  R"("settled", "status": "completed", "fiat_amount": "100.00", "fiat_currency": "EUR", )"));
    EXPECT_EQ(written.at(10), R"({"line": 8, "error": "fine stands in line 3 already"})");
    EXPECT_THAT(
        written.back(), HasSubstr(R"("given": 10, "here": 10, "agreed": 2, "differing": 9, "unreadable": 2, )"));
}

TEST_F(Reconcile, OfAClassInTheOrderOfTheList) {
    made_up_source source;
    for (const char* id : {"c", "a", "b", "extra-2", "extra-1"}) source.listed.push_back(settled_as(id, "failed"));
    const std::string list = R"({"merchant_transaction_id":"b","status":"completed"})"
                             "\n"
                             R"({"merchant_transaction_id":"c","status":"completed"})"
                             "\nnot json\n"
                             R"({"merchant_transaction_id":"a","status":"completed"})";
    ASSERT_EQ(ask("POST", "/v1/reconcile", list, ndjson).status, 200);
    EXPECT_THAT(
        names_of(run(*backend_.last_reconcile, source)),
        ElementsAre(
            "status_differs b", "status_differs c", "status_differs a", "here_but_not_given extra-2",
            "here_but_not_given extra-1", "unreadable 3", "summary"));
}

TEST_F(Reconcile, TheTimeBoundsWhatTheListShouldHave) {
    made_up_source source;
    source.listed = {settled_as("march", "completed"), settled_as("april", "completed"), still_pending("later")};
    source.listed[0].tracked_at = "2026-03-31T23:59:59.999Z";
    source.listed[1].tracked_at = "2026-04-01T00:00:00.000Z";
    const std::string target = "/v1/reconcile?since=2026-04-01T02:00:00%2B02:00&until=2026-04-08T08:00:00Z";
    ASSERT_EQ(ask("POST", target, "merchant_transaction_id\n", csv_type).status, 200);
    const lines written = run(*backend_.last_reconcile, source);
    EXPECT_THAT(names_of(written), ElementsAre("here_but_not_given april", "summary"));
    EXPECT_THAT(
        written.back(), HasSubstr(R"("since": "2026-04-01T00:00:00.000Z", "until": "2026-04-08T08:00:00.000Z"}})"));
}

TEST_F(Reconcile, AnythingElseIsRefusedBeforeTheStoreIsAsked) {
    const std::string list = "merchant_transaction_id\na\n";
    for (const char* type : {"", "application/json", "text/plain", "application/x-www-form-urlencoded"})
        EXPECT_EQ(problem_of(ask("POST", "/v1/reconcile", list, type)), "415 unsupported_media_type") << type;
    EXPECT_THAT(ask("POST", "/v1/reconcile", list, "").body, HasSubstr("application/x-ndjson or text/csv"));
    for (const char* query :
         {"?format=csv", "?since=today", "?until=", "?since=2026-04-01T00:00:00Z&limit=1",
          "?since=2026-04-01T00:00:00Z&until=2026-04-01T00:00:00Z"})
        EXPECT_EQ(problem_of(ask("POST", std::string("/v1/reconcile") + query, list, csv_type)), "400 invalid_request")
            << query;
    for (const char* body : {"", " \r\n", "order,status\n1,completed\n", "[{\"merchant_transaction_id\":\"a\"}]"})
        EXPECT_EQ(problem_of(ask("POST", "/v1/reconcile", body, csv_type)), "400 invalid_request") << body;
    EXPECT_EQ(problem_of(ask("POST", "/v1/reconcile", "[\n", ndjson)), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/reconcile")), "405 method_not_allowed");
    request_head reader;
    reader.method = "POST";
    reader.target = "/v1/reconcile";
    reader.content_type = csv_type;
    EXPECT_EQ(problem_of(ask(reader, list)), "403 not_allowed");
    EXPECT_FALSE(backend_.last_reconcile);
}

TEST_F(Reconcile, ALongerListIsForPrograms) {
    request_head head;
    head.method = "POST";
    head.target = "/v1/reconcile";
    head.content_type = csv_type;
    EXPECT_EQ(router_.body_limit(head), max_import_bytes);
    EXPECT_THAT(std::string(router_.advice_on_length(head)), HasSubstr("prooftrackctl reconcile"));
    head.target = "/v1/transactions";
    EXPECT_EQ(router_.advice_on_length(head), "");

    std::string list = "merchant_transaction_id\n";
    for (std::size_t number = 1; number < max_reconcile_lines; ++number) list += "a\n";
    EXPECT_EQ(ask("POST", "/v1/reconcile", list, csv_type).status, 200);
    const api_response longer = ask("POST", "/v1/reconcile", list + "b", csv_type);
    EXPECT_EQ(problem_of(longer), "413 too_large");
    EXPECT_THAT(longer.body, HasSubstr("prooftrackctl reconcile"));
}

TEST(ReconcileForm, WhatALineMayHideIsNotToBeCredited) {
    const auto answers = [](const std::string& list, list_format format) {
        made_up_source source;
        for (const char* id : {"o1", "o2", "o3", "o4"}) source.listed.push_back(settled_as(id, "completed"));
        return run(reconcile_job_of(list, format, {}), source);
    };
    const std::string hidden(track::advice_on_hidden);
    const std::string header = "merchant_transaction_id,status,credited\n";
    lines read = answers(header + "o1,comp\"leted,true\no2,completed,true,extra\n", list_format::csv);
    EXPECT_THAT(
        names_of(read),
        ElementsAre("here_but_not_given o3", "here_but_not_given o4", "unreadable 2", "unreadable 3", "summary"));
    EXPECT_THAT(read.at(0), HasSubstr("find its order and credit it"));
    read = answers(header + "o1,\"completed,true\no2,completed,true\no3,completed,true\n", list_format::csv);
    EXPECT_THAT(
        names_of(read),
        ElementsAre(
            "here_but_not_given o2", "here_but_not_given o3", "here_but_not_given o4", "unreadable 2", "summary"));
    for (std::size_t i = 0; i < 3; ++i) EXPECT_THAT(read.at(i), HasSubstr(hidden));
    read = answers(
        R"({"merchant_transaction_id":"o2","merchant_transaction_id":"o2"})"
        "\n"
        R"({"merchant_transaction_id":"o3","status":"x",})"
        "\n{\n",
        list_format::ndjson);
    EXPECT_THAT(
        names_of(read), ElementsAre(
                            "here_but_not_given o1", "here_but_not_given o4", "unreadable 1", "unreadable 2",
                            "unreadable 3", "summary"));
    EXPECT_THAT(read.at(0), HasSubstr(hidden));
}

TEST(ReconcileForm, TheIdsInLinesThatCannotBeReadAreBounded) {
    made_up_source source;
    const std::string list = "merchant_transaction_id,credited\na,?\nb,?\n";
    EXPECT_THAT(
        names_of(run(reconcile_job_of(list, list_format::csv, {}, 2), source)),
        ElementsAre("unreadable 2", "unreadable 3", "summary"));
    EXPECT_THROW(run(reconcile_job_of(list + "c,?\n", list_format::csv, {}, 2), source), std::length_error);
}

TEST(ReconcileForm, TheListMayBreakOffAnywhere) {
    const std::string list = list_of_each;
    for (std::size_t at = 0; at < list.size(); at += 7) {
        const std::string part = list.substr(0, at);
        if (!check_merchant_list(part, list_format::csv)) continue;
        one_of_each source;
        const lines written = run(reconcile_job_of(part, list_format::csv, {}), source);
        EXPECT_EQ(named(written.back()), "summary") << at;
    }
    EXPECT_TRUE(check_merchant_list(list, list_format::csv));
}

} // namespace
} // namespace prooftrack::api
