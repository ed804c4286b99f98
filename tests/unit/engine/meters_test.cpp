// What the engine counts, and the recent distribution of a delay.

#include "engine/meters.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "first_time.hpp"

namespace prooftrack::engine {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

const wall_time today{milliseconds(1'775'037'600'000)};

steady_duration p99_of(std::initializer_list<steady_duration> delays) {
    recent_delays recent;
    for (const steady_duration delay : delays) recent.add(delay, first_time);
    return recent.p99();
}

TEST(RecentDelays, WithoutSamplesItIsZero) { EXPECT_EQ(recent_delays().p99(), 0s); }

TEST(RecentDelays, IsTheUpperEdgeOfABucketAQuarterWide) {
    EXPECT_EQ(p99_of({0us}), 1us);
    EXPECT_EQ(p99_of({-5ms}), 1us) << "before its time is in time";
    EXPECT_EQ(p99_of({3us}), 4us);
    EXPECT_EQ(p99_of({4us}), 5us);
    EXPECT_EQ(p99_of({7us}), 8us);
    EXPECT_EQ(p99_of({8us}), 10us);
    EXPECT_EQ(p99_of({1ms}), 1'024us);
    EXPECT_EQ(p99_of({1'024us}), 1'280us);
    EXPECT_EQ(p99_of({1s}), 1'048'576us);
    for (std::int64_t us = 4; us < 2'000'000; us = us * 17 / 16 + 1) {
        const auto edge =
            std::chrono::duration_cast<std::chrono::microseconds>(p99_of({std::chrono::microseconds(us)}));
        EXPECT_GT(edge.count(), us);
        EXPECT_LE(edge.count() * 4, us * 5) << us;
    }
}

TEST(RecentDelays, ADelayOfMinutesIsNoShorterThanItWas) {
    EXPECT_GE(p99_of({10min}), 10min);
    EXPECT_LE(p99_of({10min}), 13min);
    EXPECT_GE(p99_of({std::chrono::hours(24 * 24)}), std::chrono::hours(24 * 24));
    EXPECT_GT(p99_of({std::chrono::hours(24 * 365)}), std::chrono::hours(24 * 24)) << "what is longer is the longest";
}

TEST(RecentDelays, OneInAHundredIsLeftOutAndOneInNinetyNineIsNot) {
    recent_delays recent;
    for (int i = 0; i < 98; ++i) recent.add(1ms, first_time);
    recent.add(1s, first_time);
    EXPECT_EQ(recent.p99(), 1'048'576us);
    recent.add(1ms, first_time);
    EXPECT_EQ(recent.p99(), 1'024us);
}

TEST(RecentDelays, IsOfThisWindowAndTheOneBefore) {
    recent_delays recent;
    recent.add(1s, first_time);
    recent.add(1ms, first_time + 29s);
    recent.add(1ms, first_time + 30s); // the second window
    EXPECT_EQ(recent.p99(), 1'048'576us);
    recent.add(1ms, first_time + 59s);
    EXPECT_EQ(recent.p99(), 1'048'576us);
    recent.add(1ms, first_time + 60s); // the third: the first is past
    EXPECT_EQ(recent.p99(), 1'024us);
}

TEST(RecentDelays, AfterAMinuteOfSilenceNothingOldIsLeft) {
    recent_delays recent;
    recent.add(1s, first_time);
    recent.add(1ms, first_time + 60s);
    EXPECT_EQ(recent.p99(), 1'024us);
}

TEST(ConsumerAge, IsThatOfTheOldestUnacknowledgedEvent) {
    EXPECT_EQ(age_of({"c", event_seq{3}, 0, std::nullopt}, today), 0s);
    EXPECT_EQ(age_of({"c", event_seq{3}, 2, today - 61'999ms}, today), 61s);
    EXPECT_EQ(age_of({"c", event_seq{3}, 2, today + 10s}, today), 0s) << "a clock that was set back";
}

class Meters : public testing::Test {
  protected:
    std::string text() { return meters_.serialize(); }
    /// Whether the exposition has this line.
    bool says(const std::string& line) { return text().find("\n" + line + "\n") != std::string::npos; }

    observe::metrics registry_{"1.2.3"};
    meters meters_{registry_};
};

TEST_F(Meters, BeginsWithAProofThatIsUpAndAConfigurationThatIsInForce) {
    EXPECT_EQ(registry_.proof_up().Value(), 1);
    EXPECT_EQ(registry_.config_last_reload_successful().Value(), 1);
    for (const char* result :
         {"good", "unchanged", "not_found", "bad_request", "unauthorized", "forbidden", "throttled", "server_error",
          "unusable", "no_reply"}) {
        EXPECT_TRUE(says("prooftrackd_polls_total{result=\"" + std::string(result) + "\"} 0")) << result;
    }
}

TEST_F(Meters, APollIsCountedByItsResultAndItsTimes) {
    meters_.on_poll_started(250ms, first_time);
    EXPECT_EQ(meters_.poll_lag_p99(), 262'144us);
    EXPECT_THAT(text(), HasSubstr("prooftrackd_poll_lag_seconds_sum 0.25\n"));
    for (std::uint8_t what = 0; what < 10; ++what) {
        meters_.on_poll_answered(static_cast<track::reply_class>(what), 500ms, today);
        EXPECT_EQ(registry_.polls(to_string(static_cast<track::reply_class>(what))).Value(), 1);
    }
    EXPECT_THAT(text(), HasSubstr("prooftrackd_poll_duration_seconds_sum 5\n"));
    EXPECT_THAT(text(), HasSubstr("prooftrackd_poll_duration_seconds_count 10\n"));
}

TEST_F(Meters, OnlyAUsableReplyIsTheLastGoodOne) {
    const std::string line = "prooftrackd_last_good_reply_timestamp_seconds 1775037600.5";
    meters_.on_poll_answered(track::reply_class::not_found, 1ms, today + 500ms);
    meters_.on_poll_answered(track::reply_class::no_reply, 1ms, today + 500ms);
    EXPECT_THAT(text(), Not(HasSubstr(line)));
    meters_.on_poll_answered(track::reply_class::good, 1ms, today + 500ms);
    EXPECT_THAT(text(), HasSubstr(line));
    meters_.on_poll_answered(track::reply_class::unchanged, 1ms, today + 10'000ms);
    EXPECT_THAT(text(), HasSubstr("prooftrackd_last_good_reply_timestamp_seconds 1775037610"));
}

TEST_F(Meters, TheOtherCountersAndDistributions) {
    meters_.on_detected(1'500ms);
    EXPECT_THAT(text(), HasSubstr("prooftrackd_detection_seconds_sum 1.5\n"));
    meters_.on_transition(track::tracking_state::tracking, track::tracking_state::settled);
    EXPECT_EQ(registry_.transitions("tracking", "settled").Value(), 1);
    meters_.on_unknown_status();
    EXPECT_EQ(registry_.unknown_status_words().Value(), 1);
    meters_.on_delivery("shop", "dead");
    EXPECT_EQ(registry_.deliveries("shop", "dead").Value(), 1);
    meters_.on_commit(20ms);
    EXPECT_THAT(text(), HasSubstr("prooftrackd_commit_seconds_sum 0.02\n"));
    meters_.on_loop_lag(30ms);
    EXPECT_THAT(text(), HasSubstr("prooftrackd_loop_lag_seconds_sum 0.03\n"));
    meters_.on_handshake(true);
    meters_.on_handshake(false);
    meters_.on_handshake(false);
    EXPECT_EQ(registry_.tls_handshakes(true).Value(), 1);
    EXPECT_EQ(registry_.tls_handshakes(false).Value(), 2);
    meters_.set_log_dropped(7);
    EXPECT_TRUE(says("prooftrackd_log_dropped_total 7"));
}

TEST_F(Meters, TheGaugesShowWhatWasSetLast) {
    meters_.set_proof_up(false);
    EXPECT_EQ(registry_.proof_up().Value(), 0);
    meters_.set_proof_up(true);
    EXPECT_EQ(registry_.proof_up().Value(), 1);
    meters_.set_connections("h2", 3, 4);
    meters_.set_connections("http/1.1", 5, 6);
    EXPECT_EQ(registry_.connections("idle", "h2").Value(), 3);
    EXPECT_EQ(registry_.connections("busy", "h2").Value(), 4);
    EXPECT_EQ(registry_.connections("idle", "http/1.1").Value(), 5);
    EXPECT_EQ(registry_.connections("busy", "http/1.1").Value(), 6);
    registry_.connections("idle", "spdy").Set(9); // an unknown word has no series of its own
    EXPECT_EQ(registry_.connections("odd", "h2").Value(), 9);
    meters_.set_oldest_due(1'500ms);
    EXPECT_EQ(registry_.oldest_due().Value(), 1.5);
    meters_.set_clock_skew(-2'500ms);
    EXPECT_EQ(registry_.clock_skew().Value(), -2.5);
    meters_.set_store_bytes(10, 20, 30);
    EXPECT_EQ(registry_.store_bytes("db").Value(), 10);
    EXPECT_EQ(registry_.store_bytes("wal").Value(), 20);
    EXPECT_EQ(registry_.store_bytes("free").Value(), 30);
    meters_.set_reload_successful(false);
    EXPECT_EQ(registry_.config_last_reload_successful().Value(), 0);
    meters_.set_reload_successful(true);
    EXPECT_EQ(registry_.config_last_reload_successful().Value(), 1);
    meters_.set_callback("shop", 5, 2, 61s);
    EXPECT_EQ(registry_.delivery_backlog("shop").Value(), 5);
    EXPECT_EQ(registry_.deliveries_dead("shop").Value(), 2);
    EXPECT_EQ(registry_.oldest_undelivered("shop").Value(), 61);
    EXPECT_TRUE(says(R"(prooftrackd_deliveries_total{callback="shop",result="delivered"} 0)"))
        << "there from the start";
}

TEST_F(Meters, AKindOfTransactionThatIsGoneFallsToZero) {
    meters_.begin_transactions();
    meters_.set_transactions("tracking", "pending", 5);
    meters_.set_transactions("settled", "completed", 1);
    meters_.end_transactions();
    meters_.begin_transactions();
    meters_.set_transactions("settled", "completed", 6);
    EXPECT_EQ(registry_.transactions("tracking", "pending").Value(), 5) << "not before the end of the report";
    meters_.end_transactions();
    EXPECT_EQ(registry_.transactions("tracking", "pending").Value(), 0);
    EXPECT_EQ(registry_.transactions("settled", "completed").Value(), 6);
    meters_.begin_transactions();
    meters_.end_transactions();
    EXPECT_EQ(registry_.transactions("settled", "completed").Value(), 0);
}

TEST_F(Meters, AConsumerThatIsGoneHasNoSeries) {
    meters_.set_consumers({{"ledger", event_seq{3}, 2, today - 10s}, {"mail", event_seq{5}, 0, std::nullopt}}, today);
    EXPECT_TRUE(says(R"(prooftrackd_consumer_lag_events{consumer="ledger"} 2)"));
    EXPECT_TRUE(says(R"(prooftrackd_consumer_age_seconds{consumer="ledger"} 10)"));
    EXPECT_TRUE(says(R"(prooftrackd_consumer_lag_events{consumer="mail"} 0)"));
    meters_.set_consumers({{"mail", event_seq{5}, 1, today - 3s}}, today);
    EXPECT_THAT(text(), Not(HasSubstr("ledger")));
    EXPECT_TRUE(says(R"(prooftrackd_consumer_age_seconds{consumer="mail"} 3)"));
    meters_.set_consumers({}, today);
    EXPECT_THAT(text(), Not(HasSubstr("mail")));
}

} // namespace
} // namespace prooftrack::engine
