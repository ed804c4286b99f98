// PATCH of options and the untracking of many, from the body to the backend.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/api/router_fixture.hpp"

namespace prooftrack::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Changes : public router_test {
  protected:
    Changes() { backend_.add("t1"); }
    api_response patch(const std::string& body, const std::string& id = "t1") {
        return ask("PATCH", "/v1/transactions/" + id, body, "application/json");
    }
    api_response untrack(const std::string& body) {
        return ask("POST", "/v1/transactions/untrack", body, "application/json");
    }
    static std::string detail_of(const api_response& response) {
        return std::string(json_of(response).at("detail").as_string());
    }
};

TEST_F(Changes, OptionsAreReplacedAndTheTransactionIsShown) {
    const auto response = patch(R"({"metadata": { "n" : 1.10 }, "callback_url": "https://shop.example/x"})");
    EXPECT_EQ(response.status, 200);
    EXPECT_THAT(response.body, HasSubstr(R"("metadata":{ "n" : 1.10 },"callback_url":"https://shop.example/x")"));
    const options_patch& given = backend_.last_patch.value();
    EXPECT_EQ(given.metadata->bytes, R"({ "n" : 1.10 })");
    EXPECT_EQ(given.metadata->canonical, R"({"n":11e-1})");
    EXPECT_TRUE(given.sets_callback_url);
    EXPECT_EQ(backend_.last_who.uid, 1000);
}

TEST_F(Changes, WhatIsNotGivenStaysAndNullTakesTheUrlAway) {
    EXPECT_EQ(patch(R"({"metadata":{}})").status, 200);
    EXPECT_FALSE(backend_.last_patch->sets_callback_url);
    EXPECT_EQ(patch(R"({"callback_url":null})").status, 200);
    EXPECT_FALSE(backend_.last_patch->metadata);
    EXPECT_TRUE(backend_.last_patch->sets_callback_url);
    EXPECT_EQ(backend_.last_patch->callback_url, std::nullopt);
}

TEST_F(Changes, OptionsThatCannotBeAreRefused) {
    const std::string largest = R"({"a":")" + std::string(4096 - 8, 'x') + R"("})";
    EXPECT_EQ(patch(R"({"metadata":)" + largest + "}").status, 200);
    backend_.last_patch.reset();
    const std::string larger = R"({"a":")" + std::string(4096 - 7, 'x') + R"("})";
    for (const std::string& bad :
         {std::string("{}"), std::string(" "), std::string("[]"), R"({"metadata":)" + larger + "}",
          std::string(R"({"metadata":null})"), std::string(R"({"metadata":[]})"), std::string(R"({"metadata":"x"})"),
          std::string(R"({"metadata":{"a":1,"a":2}})"), std::string(R"({"callback_url":7})"),
          std::string(R"({"callback_url":"ftp://shop.example/"})"),
          R"({"callback_url":"https://shop.example/)" + std::string(2048, 'x') + R"("})",
          std::string(R"({"overdue_after":"1h"})"), std::string(R"({"metadata":{},"state":"settled"})")}) {
        EXPECT_EQ(problem_of(patch(bad)), "400 invalid_request") << bad.substr(0, 80);
    }
    EXPECT_FALSE(backend_.last_patch);
    EXPECT_THAT(detail_of(patch("{}")), HasSubstr("send metadata, callback_url"));
    EXPECT_EQ(problem_of(patch(R"({"metadata":{}})", "a%20b")), "400 invalid_request");
    EXPECT_EQ(problem_of(patch(R"({"metadata":{}})", "t1?x=1")), "400 invalid_request");
    EXPECT_EQ(problem_of(patch(R"({"metadata":{}})", "unknown")), "404 unknown_transaction");
}

TEST_F(Changes, ManyAreUntrackedByAFilter) {
    const auto response =
        untrack(R"({"filter":{"state":"not_found","status":"pending","metadata.order":"A-17","metadata.shop.id":"",)"
                R"("tracked_before":"2026-04-01T00:00:00+02:00"}})");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, R"({"matched":7,"untracked":7})");
    const untrack_request& given = backend_.last_untrack.value();
    EXPECT_EQ(given.filter.state, track::tracking_state::not_found);
    EXPECT_EQ(given.filter.status, "pending");
    EXPECT_THAT(
        given.filter.metadata,
        ElementsAre(track::metadata_filter{"order", "A-17"}, track::metadata_filter{"shop.id", ""}));
    EXPECT_EQ(format_wall_time(*given.filter.tracked_before), "2026-03-31T22:00:00.000Z");
    EXPECT_FALSE(given.is_dry_run);
    EXPECT_EQ(backend_.last_who.uid, 1000);
    EXPECT_EQ(untrack(R"({"filter":{"state":"overdue"},"dry_run":true})").body, R"({"matched":7,"untracked":0})");
    EXPECT_TRUE(backend_.last_untrack->is_dry_run);
    untrack(R"({"dry_run":false,"filter":{"state":"overdue"}})");
    EXPECT_FALSE(backend_.last_untrack->is_dry_run);
}

TEST_F(Changes, AFilterThatCannotBeIsRefused) {
    std::string many = R"({"filter":{"status":"x")";
    for (std::size_t i = 0; i <= track::most_metadata_filters; ++i)
        many += R"(,"metadata.k)" + std::to_string(i) + R"(":"v")";
    for (const std::string& bad :
         {std::string("{}"),
          std::string(R"({"filter":{}})"),
          std::string(R"({"filter":null})"),
          std::string(R"({"filter":"state"})"),
          std::string(R"({"filter":{},"dry_run":true})"),
          std::string(R"({"filter":{"state":"overdue"},"dry_run":"yes"})"),
          std::string(R"({"filter":{"state":"overdue"},"dry_run":null})"),
          std::string(R"({"filter":{"state":"overdue"},"limit":5})"),
          std::string(R"({"filter":{"state":"done"}})"),
          std::string(R"({"filter":{"state":["overdue"]}})"),
          std::string(R"({"filter":{"metadata":{"a":"b"}}})"),
          std::string(R"({"filter":{"tracked_after":"2026-04-01T00:00:00Z"}})"),
          std::string(R"({"filter":{"tracked_before":"yesterday"}})"),
          std::string(R"({"filter":{"status":""}})"),
          R"({"filter":{"status":")" + std::string(65, 's') + R"("}})",
          std::string(R"({"filter":{"metadata.n":7}})"),
          std::string(R"({"filter":{"status":"a","status":"b"}})"),
          R"({"filter":{"metadata.n":")" + std::string(4097, 'x') + R"("}})",
          R"({"filter":{"metadata.)" + std::string(4097, 'x') + R"(":"n"}})",
          many + "}}"}) {
        EXPECT_EQ(problem_of(untrack(bad)), "400 invalid_request") << bad.substr(0, 80);
    }
    for (const char* ended : {"settled", "abandoned", "untracked"}) {
        const auto refused = untrack(std::string(R"({"filter":{"state":")") + ended + R"("}})");
        EXPECT_EQ(problem_of(refused), "400 invalid_request") << ended;
        EXPECT_THAT(detail_of(refused), HasSubstr("can be untracked no more")) << ended;
    }
    EXPECT_FALSE(backend_.last_untrack);
}

TEST_F(Changes, AnIdMayBeCalledUntrack) {
    backend_.add("untrack");
    EXPECT_EQ(ask("GET", "/v1/transactions/untrack").status, 200);
    EXPECT_EQ(patch(R"({"metadata":{}})", "untrack").status, 200);
    const auto refused = ask("PUT", "/v1/transactions/untrack", "{}", "application/json");
    EXPECT_EQ(problem_of(refused), "405 method_not_allowed");
    EXPECT_THAT(
        refused.headers,
        testing::Contains(std::pair<std::string, std::string>("Allow", "GET, HEAD, DELETE, PATCH, POST")));
}

} // namespace
} // namespace prooftrack::api
