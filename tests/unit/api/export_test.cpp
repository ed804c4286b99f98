// GET /v1/export/…: the queries, and what a row looks like.

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "api/export_form.hpp"
#include "support/fake_export.hpp"
#include "track/event.hpp"
#include "unit/api/router_fixture.hpp"

namespace prooftrack::api {
namespace {

using testing::HasSubstr;

constexpr std::string_view transaction_header =
    "merchant_transaction_id,state,status,metadata,callback_url,tracked_at,settled_at,overdue_at,last_polled_at,"
    "next_poll_at,polls,consecutive_errors,last_error,proof_merchant_transaction_id,proof_partner_user_id,proof_type,"
    "proof_status,proof_currency,proof_network,proof_crypto_amount,proof_fiat_currency,proof_fiat_amount,"
    "proof_created_at,proof_updated_at\r\n";

class Export : public router_test {};

std::string transaction_row(const track::transaction_view& view, export_format format) {
    std::string out;
    export_of(track::export_list::transactions, format).write_transaction(out, view);
    return out;
}

TEST_F(Export, TheQueryIsReadAndTheRowsAreStreamed) {
    const api_response answer =
        ask("GET", "/v1/export/events?format=csv&since=2026-04-01T00:00:00Z&until=2026-05-01T00:00:00Z");
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.content_type, "text/csv; charset=utf-8; header=present");
    EXPECT_TRUE(answer.chunked);
    ASSERT_TRUE(answer.stream);
    ASSERT_TRUE(backend_.last_export);
    EXPECT_EQ(backend_.last_export->list, track::export_list::events);
    EXPECT_EQ(format_wall_time(*backend_.last_export->since), "2026-04-01T00:00:00.000Z");
    EXPECT_EQ(format_wall_time(*backend_.last_export->until), "2026-05-01T00:00:00.000Z");

    EXPECT_EQ(ask("GET", "/v1/export/transactions").content_type, "application/x-ndjson");
    EXPECT_EQ(backend_.last_export->list, track::export_list::transactions);
    EXPECT_FALSE(backend_.last_export->since);
    EXPECT_EQ(ask("GET", "/v1/export/deliveries?format=ndjson").status, 200);
    EXPECT_EQ(backend_.last_export->list, track::export_list::deliveries);
}

TEST_F(Export, AnythingElseIsRefused) {
    for (const char* bad : {"format=xml", "format=", "since=today", "until=", "limit=1", "cursor=x"})
        EXPECT_EQ(problem_of(ask("GET", std::string("/v1/export/events?") + bad)), "400 invalid_request") << bad;
    EXPECT_EQ(problem_of(ask("GET", "/v1/export/history")), "404 route_not_found");
    EXPECT_EQ(problem_of(ask("HEAD", "/v1/export/events")), "405 method_not_allowed");
    EXPECT_FALSE(backend_.last_export);
}

TEST_F(Export, TheStreamGivesWhatTheSourceGivesAndBreaksWithIt) {
    const auto source = std::make_shared<fake_byte_source>(std::string(1500, 'x'));
    source->fails = true;
    backend_.next_export = source;
    const api_response answer = ask("GET", "/v1/export/transactions");
    std::vector<shared_bytes> bytes;
    EXPECT_FALSE(answer.stream->is_broken());
    EXPECT_EQ(answer.stream->next(bytes), body_stream::progress::more);
    EXPECT_EQ(answer.stream->next(bytes), body_stream::progress::more);
    EXPECT_EQ(bytes.at(0)->size() + bytes.at(1)->size(), 1500U);
    EXPECT_TRUE(answer.stream->is_broken());
    EXPECT_EQ(answer.stream->next(bytes), body_stream::progress::broken);
    source->fails = false;
    EXPECT_EQ(answer.stream->next(bytes), body_stream::progress::end);
}

TEST(ExportForm, ATransactionInJsonIsOneLineAsTheListShowsIt) {
    track::transaction_view view = fake_backend::make_view("t-1");
    view.metadata = "{\"a\":\n \"1\"}";
    view.proof = "{\r\n\"status\": \"completed\", \"new\": 1.10}";
    EXPECT_THAT(
        transaction_row(view, export_format::ndjson),
        AllOf(
            HasSubstr(R"({"merchant_transaction_id":"t-1","state":"tracking","status":null,"metadata":{"a":  "1"},)"),
            HasSubstr(R"("proof":{  "status": "completed", "new": 1.10}})"), testing::EndsWith("}\n")));
    EXPECT_EQ(export_of(track::export_list::transactions, export_format::ndjson).head, "");
}

TEST(ExportForm, ATransactionInCsvHasProofsAmountsAsTheyAre) {
    EXPECT_EQ(export_of(track::export_list::transactions, export_format::csv).head, transaction_header);
    track::transaction_view view = fake_backend::make_view("t-1");
    view.facts.state = track::tracking_state::settled;
    view.facts.status = "completed";
    view.facts.settled_at = view.facts.tracked_at + milliseconds(1);
    view.metadata = R"({"order":"A,17"})";
    view.callback_url = "https://shop.example/?a=\"b\"";
    view.proof = R"({"merchant_transaction_id":"t-1","type":"buy","status":"completed","currency":"=USDT",)"
                 R"("crypto_amount":"-0.10","fiat_amount":"100.00","fiat_currency":"\u20ac\n","network":null,)"
                 R"("created_at":"-1+1","extra":[1]})";
    EXPECT_EQ(
        transaction_row(view, export_format::csv),
        "t-1,settled,completed,\"{\"\"order\"\":\"\"A,17\"\"}\",\"https://shop.example/?a=\"\"b\"\"\","
        "2026-04-01T10:03:45.120Z,2026-04-01T10:03:45.121Z,2026-04-02T10:03:45.120Z,,,0,0,,"
        "t-1,,buy,completed,'=USDT,,-0.10,\"\xe2\x82\xac\n\",100.00,'-1+1,\r\n");
}

TEST(ExportForm, WithoutAReplyOfProofItsCellsAreEmpty) {
    EXPECT_EQ(
        transaction_row(fake_backend::make_view("t-1"), export_format::csv),
        "t-1,tracking,,{},,2026-04-01T10:03:45.120Z,,2026-04-02T10:03:45.120Z,,,0,0,,,,,,,,,,,,\r\n");
}

TEST(ExportForm, AnEventHasItsSeqAndTheMembersOfItsData) {
    track::event_facts facts;
    facts.id = "evt_00000000000000000000000000000001";
    facts.timestamp = wall_time(milliseconds(1'775'037'825'120));
    facts.transaction = "t-1";
    facts.state = track::tracking_state::settled;
    facts.status = "completed";
    facts.proof = R"({"fiat_amount":"1.00"})";
    const std::string event = track::insert_seq(track::format_event(facts), event_seq{7});
    std::string json;
    export_of(track::export_list::events, export_format::ndjson).write_event(json, event);
    EXPECT_EQ(json, event + "\n");
    const track::export_query csv = export_of(track::export_list::events, export_format::csv);
    EXPECT_THAT(
        csv.head, testing::StartsWith("id,seq,type,timestamp,merchant_transaction_id,state,status,previous_status,"
                                      "final,metadata,proof_merchant_transaction_id,"));
    std::string line;
    csv.write_event(line, event);
    EXPECT_EQ(
        line, "evt_00000000000000000000000000000001,7,transaction.completed,2026-04-01T10:03:45.120Z,t-1,settled,"
              "completed,,true,{},,,,,,,,,1.00,,\r\n");
}

TEST(ExportForm, ADeliveryHasTheMembersOfTheList) {
    const track::delivery_view view = fake_backend::make_delivery(3, "t-1");
    const track::export_query csv = export_of(track::export_list::deliveries, export_format::csv);
    EXPECT_EQ(
        csv.head, "id,event_id,event_type,merchant_transaction_id,callback,state,attempts,last_attempt_at,last_error,"
                  "last_status,next_attempt_at,note\r\n");
    std::string line;
    csv.write_delivery(line, view);
    EXPECT_THAT(line, testing::StartsWith("3," + view.event_id + "," + view.event_type + ",t-1,"));
    EXPECT_EQ(std::count(line.begin(), line.end(), ','), 11);
}

} // namespace
} // namespace prooftrack::api
