#include "track/event.hpp"

#include <set>
#include <stdexcept>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

event_facts example() {
    event_facts facts;
    facts.id = "evt_0190000000007000800000000000000a";
    facts.type = event_type::completed;
    facts.timestamp = wall_time(milliseconds(1'775'037'827'031));
    facts.transaction = "550e8400-e29b-41d4-a716-446655440000";
    facts.state = tracking_state::settled;
    facts.status = "completed";
    facts.previous_status = "processing";
    facts.metadata = R"({ "order":"A-17" , "n": 1.10 })";
    facts.proof = "{\"crypto_amount\": \"1.10\",\n \"big\": 12345678901234567890123}";
    return facts;
}

TEST(Event, EmbedsMetadataAndReplyByteForByte) {
    EXPECT_EQ(
        format_event(example()),
        R"({"id":"evt_0190000000007000800000000000000a","type":"transaction.completed",)"
        R"("timestamp":"2026-04-01T10:03:47.031Z",)"
        R"("data":{"merchant_transaction_id":"550e8400-e29b-41d4-a716-446655440000","state":"settled",)"
        R"("status":"completed",)"
        R"("previous_status":"processing","final":true,"metadata":{ "order":"A-17" , "n": 1.10 },"proof":)"
        "{\"crypto_amount\": \"1.10\",\n \"big\": 12345678901234567890123}}}");
}

TEST(Event, SaysNullWhereProofSaidNothing) {
    event_facts facts = example();
    facts.type = event_type::not_found;
    facts.state = tracking_state::not_found;
    facts.status = "";
    facts.previous_status = "";
    facts.proof = "";
    const std::string body = format_event(facts);
    EXPECT_NE(body.find(R"("status":null,"previous_status":null,"final":false)"), std::string::npos);
    EXPECT_NE(body.find(R"("proof":null}})"), std::string::npos);
}

TEST(Event, SequenceNumberStandsBehindTheIdInTheLog) {
    const std::string frozen = format_event(example());
    EXPECT_TRUE(insert_seq(frozen, event_seq{42})
                    .starts_with(R"({"id":"evt_0190000000007000800000000000000a","seq":42,"type")"));
    EXPECT_EQ(insert_seq(frozen, event_seq{42}).size(), frozen.size() + std::string_view(R"(,"seq":42)").size());
}

TEST(Event, ItsBytesSayWhichTransactionItIsAbout) {
    event_facts facts;
    facts.id = "evt_" + std::string(32, '0');
    facts.transaction = "order-1.A_b~c";
    facts.metadata = R"({"data":{"merchant_transaction_id":"other"}})";
    facts.proof = R"({"merchant_transaction_id":"another"})";
    EXPECT_EQ(event_transaction(format_event(facts)), "order-1.A_b~c");
    EXPECT_EQ(event_transaction(insert_seq(format_event(facts), event_seq{7})), "order-1.A_b~c");
    EXPECT_EQ(event_transaction("{}"), "");
    EXPECT_EQ(event_transaction(""), "");
}

TEST(Event, UnknownStatusesAreEscaped) {
    event_facts facts = example();
    facts.status = "on\"hold\n\xff";
    EXPECT_NE(format_event(facts).find("\"status\":\"on\\\"hold\\u000a\xEF\xBF\xBD\""), std::string::npos);
}

TEST(Event, OnlyProofsOwnStatusesAreFinal) {
    for (std::size_t i = 0; i < event_type_count; ++i) {
        const auto type = static_cast<event_type>(i);
        const bool is_proofs = type == event_type::completed || type == event_type::failed ||
                               type == event_type::cancelled || type == event_type::reversed;
        EXPECT_EQ(is_final(type), is_proofs) << to_string(type);
        EXPECT_EQ(parse_event_type(to_string(type)), type);
    }
}

TEST(EventSelection, GoesByTheNameAndNeverSelectsTheTest) {
    EXPECT_EQ(to_string(event_type::completed), "transaction.completed");
    EXPECT_EQ(to_string(event_type::not_found), "transaction.not_found");
    EXPECT_EQ(to_string(event_type::updated), "transaction.updated");
    EXPECT_EQ(to_string(event_type::test), "callback.test");
    EXPECT_TRUE(selects("transaction.*ed", event_type::failed));
    EXPECT_FALSE(selects("transaction.*", event_type::updated));
    EXPECT_FALSE(selects("callback.test", event_type::test));
    EXPECT_FALSE(selects("transaction.complete", event_type::completed));
    EXPECT_FALSE(selects("", event_type::completed));
    EXPECT_TRUE(selects("transaction.completed*", event_type::completed)) << "any run, also an empty one";
    EXPECT_TRUE(selects("*completed", event_type::completed));
    EXPECT_FALSE(selects("*.paid", event_type::completed));
    EXPECT_FALSE(selects("*complete", event_type::completed));
    EXPECT_EQ(parse_event_type("transaction.lost"), std::nullopt);
}

TEST(EventId, IsUniqueAndOrderedByTime) {
    random_source random(1);
    const std::string first = make_event_id(wall_time(milliseconds(1'000)), random);
    const std::string second = make_event_id(wall_time(milliseconds(1'001)), random);
    const std::string same_time = make_event_id(wall_time(milliseconds(1'001)), random);
    EXPECT_EQ(first.size(), event_id_length);
    EXPECT_LT(first, second);
    EXPECT_NE(second, same_time);
    EXPECT_TRUE(first.starts_with("evt_"));
}

TEST(EventTime, StrictlyIncreasesWhenTheClockStepsBack) {
    const wall_time last(milliseconds(5'000));
    EXPECT_EQ(next_event_time(wall_time(milliseconds(6'000)), last), wall_time(milliseconds(6'000)));
    EXPECT_EQ(next_event_time(wall_time(milliseconds(5'000)), last), wall_time(milliseconds(5'001)));
    EXPECT_EQ(next_event_time(wall_time(milliseconds(1'000)), last), wall_time(milliseconds(5'001)));
    EXPECT_EQ(next_event_time(wall_time(milliseconds(1'000)), std::nullopt), wall_time(milliseconds(1'000)));
}

TEST(Status, MatchesExactlyCaseIncluded) {
    EXPECT_EQ(classify_status("completed"), status_kind::completed);
    for (const char* word : {"Completed", "COMPLETED", " completed", "complete", "other", "refunded"}) {
        EXPECT_EQ(classify_status(word), status_kind::other) << word;
        EXPECT_FALSE(is_terminal(classify_status(word)));
    }
    EXPECT_EQ(classify_status(""), status_kind::none);
}

TEST(EventId, IsAUuidOfVersionSevenWithTheTimeAndSeventyFourRandomBits) {
    random_source random(1);
    std::set<std::string> middles;
    std::set<std::string> ends;
    for (int i = 0; i < 200; ++i) {
        const std::string id = make_event_id(wall_time(milliseconds(0x0123456789ab)), random);
        EXPECT_EQ(id.substr(0, 17), "evt_0123456789ab7");
        EXPECT_NE(std::string_view("89ab").find(id[20]), std::string_view::npos) << id;
        middles.insert(id.substr(17, 3));
        ends.insert(id.substr(20));
    }
    EXPECT_GT(middles.size(), 150U);
    EXPECT_EQ(ends.size(), 200U);
}

TEST(TrackingState, EndsAndWaitsAsItsNameSays) {
    for (std::size_t i = 0; i < tracking_state_count; ++i) {
        const auto state = static_cast<tracking_state>(i);
        EXPECT_EQ(parse_tracking_state(to_string(state)), state);
        const bool has_ended = state == tracking_state::settled || state == tracking_state::abandoned ||
                               state == tracking_state::untracked;
        EXPECT_EQ(is_ended(state), has_ended) << to_string(state);
        EXPECT_EQ(ends_wait(state), has_ended || state == tracking_state::rejected) << to_string(state);
    }
    EXPECT_EQ(parse_tracking_state("lost"), std::nullopt);
}

TEST(Status, ThreeStatusesAreTerminal) {
    for (const char* word : {"completed", "failed", "cancelled"})
        EXPECT_TRUE(is_terminal(classify_status(word))) << word;
    for (const char* word : {"", "pending", "processing", "odd"})
        EXPECT_FALSE(is_terminal(classify_status(word))) << word;
}

TEST(StoreState, SaysWhetherItIsFull) {
    EXPECT_EQ(to_string(store_state::ok), "ok");
    EXPECT_EQ(to_string(store_state::full), "full");
    EXPECT_EQ(to_string(store_state::unreachable), "unreachable");
}

TEST(DeliveryState, IsReadBackFromItsName) {
    for (const auto state : {delivery_state::pending, delivery_state::delivered, delivery_state::dead})
        EXPECT_EQ(parse_delivery_state(to_string(state)), state);
    EXPECT_EQ(parse_delivery_state("lost"), std::nullopt);
}

TEST(Event, TheSequenceIsItsTimestampInMilliseconds) {
    const wall_time at{milliseconds(1'775'037'825'120)};
    EXPECT_EQ(event_sequence(at), 1'775'037'825'120U);
    EXPECT_EQ(event_sequence(next_event_time(at - std::chrono::hours(1), at)), 1'775'037'825'121U)
        << "also when the clock steps back";
    EXPECT_EQ(event_sequence(wall_time(milliseconds(-1))), 0U);
}

TEST(Event, ItsTraceIsThatOfItsTrackingUnderItsOwnId) {
    const std::string tracked_by = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    EXPECT_EQ(
        event_traceparent(tracked_by, "evt_01a2065e83e27d58831d8dadf3a86e70"),
        "00-4bf92f3577b34da6a3ce929d0e0e4736-831d8dadf3a86e70-01");
    EXPECT_EQ(event_traceparent("", "evt_01a2065e83e27d58831d8dadf3a86e70"), "");
    EXPECT_EQ(event_traceparent(tracked_by, "evt_1"), "");
    EXPECT_EQ(event_traceparent("a damaged row", "evt_01a2065e83e27d58831d8dadf3a86e70"), "");
}

TEST(Event, OnlyAnEventsBytesTakeASequenceNumber) {
    EXPECT_THROW(insert_seq("{}", event_seq{1}), std::logic_error);
    EXPECT_THROW(insert_seq(std::string(100, 'x'), event_seq{1}), std::logic_error);
    event_facts facts;
    for (const std::size_t length : {event_id_length - 1, event_id_length + 1, event_id_length + 2}) {
        facts.id = std::string(length, 'x');
        EXPECT_THROW(insert_seq(format_event(facts), event_seq{1}), std::logic_error) << length;
    }
}

} // namespace
} // namespace prooftrack::track
