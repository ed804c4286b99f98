// The filters of the lists, from the query to the backend.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/api/router_fixture.hpp"

namespace prooftrack::api {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Search : public router_test {};

TEST_F(Search, ATransactionIsFoundByMetadataTimeCallbackAndPrefix) {
    const auto response =
        ask("GET", "/v1/transactions?metadata.order=A-17&metadata.shop%2Eid=a%26b&metadata.=&"
                   "tracked_after=2026-04-01T00:00:00%2B02:00&tracked_before=2026-04-02T00:00:00Z&"
                   "not_delivered_to=back_end-1&id_prefix=550e8400-");
    EXPECT_EQ(response.status, 200);
    const track::transaction_query& query = backend_.last_list.value();
    EXPECT_THAT(
        query.metadata, ElementsAre(
                            track::metadata_filter{"order", "A-17"}, track::metadata_filter{"shop.id", "a&b"},
                            track::metadata_filter{"", ""}));
    EXPECT_EQ(format_wall_time(*query.tracked_after), "2026-03-31T22:00:00.000Z");
    EXPECT_EQ(format_wall_time(*query.tracked_before), "2026-04-02T00:00:00.000Z");
    EXPECT_EQ(query.not_delivered_to, "back_end-1");
    EXPECT_EQ(query.id_prefix, "550e8400-");
}

TEST_F(Search, WhatCannotBeAskedIsRefused) {
    for (const std::string& bad :
         {std::string("metadata=x"), std::string("metadata.a=1&metadata.a=2"), std::string("metadata.a=%zz"),
          std::string("Metadata.a=1"), std::string("tracked_after=now"), std::string("tracked_before="),
          std::string("not_delivered_to="), std::string("not_delivered_to=Backend"),
          "not_delivered_to=" + std::string(65, 'a'), std::string("id_prefix="), std::string("id_prefix=a%2Fb"),
          "id_prefix=" + std::string(129, 'a'), "metadata.a=" + std::string(4097, 'x'),
          "metadata." + std::string(4097, 'x') + "=a"}) {
        EXPECT_EQ(problem_of(ask("GET", "/v1/transactions?" + bad)), "400 invalid_request") << bad;
    }
    EXPECT_FALSE(backend_.last_list);
    EXPECT_THAT(
        std::string(json_of(ask("GET", "/v1/transactions?nope=1")).at("detail").as_string()),
        HasSubstr("metadata.KEY"));
    for (const char* good : {"id_prefix=.", "id_prefix=~", "metadata.a=", "metadata.a"})
        EXPECT_EQ(ask("GET", std::string("/v1/transactions?") + good).status, 200) << good;
    EXPECT_EQ(ask("GET", "/v1/transactions?id_prefix=" + std::string(128, 'a')).status, 200);
    EXPECT_EQ(ask("GET", "/v1/transactions?metadata.a=" + std::string(4096, 'x')).status, 200);
}

TEST_F(Search, NamesAtMost16Members) {
    std::string query = "/v1/transactions?limit=1";
    for (std::size_t i = 0; i < track::most_metadata_filters; ++i) query += "&metadata.k" + std::to_string(i) + "=v";
    EXPECT_EQ(ask("GET", query).status, 200);
    EXPECT_EQ(problem_of(ask("GET", query + "&metadata.more=v")), "400 invalid_request");
}

TEST_F(Search, DeliveriesAndEventsTakeTimes) {
    const std::string times = "since=2026-04-01T00:00:00Z&until=2026-05-01T00:00:00Z";
    EXPECT_EQ(ask("GET", "/v1/deliveries?" + times).status, 200);
    EXPECT_EQ(format_wall_time(*backend_.last_deliveries->since), "2026-04-01T00:00:00.000Z");
    EXPECT_EQ(format_wall_time(*backend_.last_deliveries->until), "2026-05-01T00:00:00.000Z");
    EXPECT_EQ(ask("GET", "/v1/events?after=7&limit=3&" + times).status, 200);
    EXPECT_EQ(backend_.last_events->after, event_seq{7});
    EXPECT_EQ(backend_.last_events->limit, 3U);
    EXPECT_EQ(format_wall_time(*backend_.last_events->since), "2026-04-01T00:00:00.000Z");
    EXPECT_EQ(format_wall_time(*backend_.last_events->until), "2026-05-01T00:00:00.000Z");
    for (const char* bad : {"since=today", "until="}) {
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/deliveries?") + bad)), "400 invalid_request") << bad;
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/events?") + bad)), "400 invalid_request") << bad;
    }
    EXPECT_EQ(problem_of(ask("GET", "/v1/events?wait=1s&" + times)), "400 invalid_request");
    EXPECT_EQ(problem_of(ask("GET", "/v1/events?limit=0&" + times)), "400 invalid_request");
}

TEST_F(Search, TimesBetweenWhichNothingLiesAreRefused) {
    const std::string april = "2026-04-01T00:00:00Z";
    const std::string may = "2026-05-01T00:00:00Z";
    struct pair {
        const char* path;
        std::string begin;
        std::string end;
    };
    for (const auto& [path, begin, end] :
         {pair{"/v1/deliveries", "since", "until"}, pair{"/v1/events", "since", "until"},
          pair{"/v1/transactions", "tracked_after", "tracked_before"},
          pair{"/v1/transactions", "settled_after", "settled_before"},
          pair{"/v1/export/transactions", "since", "until"}, pair{"/v1/export/events", "since", "until"},
          pair{"/v1/export/deliveries", "since", "until"}}) {
        for (const std::string& first : {april, may}) {
            const auto reply = ask("GET", path + ("?" + begin) + "=" + may + "&" + end + "=" + first);
            EXPECT_EQ(problem_of(reply), "400 invalid_request") << path << begin << first;
            EXPECT_THAT(reply.body, HasSubstr(begin + " is not earlier than " + end)) << path;
        }
    }
    EXPECT_FALSE(backend_.last_list || backend_.last_deliveries || backend_.last_events || backend_.last_export);
    const std::string apart = "settled_after=" + may + "&tracked_before=" + april; // each of another pair
    EXPECT_EQ(ask("GET", "/v1/transactions?" + apart).status, 200);
}

} // namespace
} // namespace prooftrack::api
