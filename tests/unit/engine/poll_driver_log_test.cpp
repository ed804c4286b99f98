// What the polls' side writes to the log and counts.

#include "poll_driver_fixture.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

class PollDriverLog : public PollDriver {
  protected:
    /// Proof says always this.
    void says(track::poll_answer answer) {
        proof_ = [answer = std::move(answer)](const track::poll_ticket&) { return answer; };
    }
    /// A fresh start with these rules, and one transaction.
    void begin(milliseconds overdue_after = std::chrono::hours(24)) {
        crash();
        boot();
        track("t1", overdue_after);
    }
    recorded_log::line only(observe::log_event_id event) const {
        const auto lines = log_.of(event);
        EXPECT_EQ(lines.size(), 1U);
        return lines.empty() ? recorded_log::line{} : lines.front();
    }
    double polls(std::string_view result) { return registry_.polls(result).Value(); }
};

TEST_F(PollDriverLog, AChangeOfStatusNamesBothStatusesAndItsRequest) {
    track();
    run_to(6s);
    const auto lines = log_.of(observe::log_event_id::transaction_status);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].at("merchant_transaction_id"), "t1");
    EXPECT_EQ(lines[0].at("from"), "");
    EXPECT_EQ(lines[0].at("to"), "pending");
    EXPECT_EQ(lines[0].fields.count("event"), 0U) << "a first word owes no event";
    EXPECT_EQ(lines[1].at("from_state"), "tracking");
    EXPECT_EQ(lines[1].at("state"), "tracking");
    EXPECT_EQ(lines[1].at("request_id"), "req-1");
    EXPECT_EQ(lines[1].at("event"), "transaction.updated");
    EXPECT_EQ(lines[1].at("event_id"), disk_.events.at(1).id);
    EXPECT_EQ(lines[1].at("seq"), "1");
}

TEST_F(PollDriverLog, AChangeHasTheTraceOfItsTracking) {
    track();
    disk_.transactions.at("t1").traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    run_to(6s);
    const auto lines = log_.of(observe::log_event_id::transaction_status);
    ASSERT_EQ(lines.size(), 2U);
    EXPECT_EQ(lines[0].at("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    EXPECT_EQ(
        lines[1].at("traceparent"), "00-4bf92f3577b34da6a3ce929d0e0e4736-" + lines[1].at("event_id").substr(20) + "-01")
        << "an event has a parent id of its own";
}

TEST_F(PollDriverLog, EachEndHasALineOfItsOwn) {
    options_.rules.give_up_after = 20s;
    begin();
    run_to(11s);
    EXPECT_EQ(only(observe::log_event_id::transaction_settled).at("seq"), "2");
    says(answers_word("pending"));
    disk_ = {};
    begin(12s);
    run_to(12'001ms);
    EXPECT_EQ(log_.count(observe::log_event_id::transaction_overdue), 0U) << "not before it is durable";
    run_to(12'002ms);
    EXPECT_EQ(only(observe::log_event_id::transaction_overdue).at("from_state"), "tracking");
    disk_ = {};
    begin();
    run_to(21s);
    const auto abandoned = only(observe::log_event_id::transaction_abandoned);
    EXPECT_EQ(abandoned.at("state"), "abandoned");
    EXPECT_EQ(abandoned.at("to"), "pending");
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 5'000ms, 10'000ms, 15'000ms, 20'000ms));
    disk_ = {};
    begin();
    run_to(1s);
    driver_->step(track::untracked_event{slot()});
    run_to(2s);
    EXPECT_EQ(only(observe::log_event_id::transaction_untracked).at("to"), "pending");
}

TEST_F(PollDriverLog, NotFoundAndBackAgain) {
    options_.rules.not_found_grace = 10s;
    says(answers_with(track::reply_class::not_found, "404 transaction_not_found"));
    begin();
    run_to(10'102ms);
    EXPECT_EQ(only(observe::log_event_id::transaction_not_found).at("event"), "transaction.not_found");
    const auto errors = log_.of(observe::log_event_id::poll_error);
    ASSERT_EQ(errors.size(), 3U);
    EXPECT_EQ(errors[2].at("error"), "404 transaction_not_found");
    EXPECT_EQ(errors[2].at("result"), "not_found");
    EXPECT_EQ(errors[2].at("consecutive"), "3");
    EXPECT_EQ(errors[2].at("merchant_transaction_id"), "t1");
    EXPECT_EQ(errors[2].fields.count("advice"), 0U);
    says(answers_word("pending"));
    run_to(2h);
    const auto back = log_.of(observe::log_event_id::transaction_status);
    ASSERT_GE(back.size(), 1U);
    EXPECT_EQ(back[0].at("from_state"), "not_found");
    EXPECT_EQ(back[0].at("state"), "tracking");
    EXPECT_EQ(log_.count(observe::log_event_id::transaction_not_found), 1U);
}

TEST_F(PollDriverLog, ThreeBadRequestsAreARejection) {
    says(answers_with(track::reply_class::bad_request, "400 invalid_id"));
    begin();
    run_to(10'102ms);
    EXPECT_EQ(only(observe::log_event_id::transaction_rejected).at("from_state"), "tracking");
    EXPECT_EQ(reported().back(), "10102 rejected ");
}

TEST_F(PollDriverLog, AReversalAndADowngradeAfterTheEnd) {
    options_.rules.verify_after = {10min, 65min};
    says(answers_word("completed"));
    begin();
    run_to(1min);
    says(answers_word("pending"));
    run_to(11min);
    const auto downgrade = only(observe::log_event_id::transaction_downgrade);
    EXPECT_EQ(downgrade.at("status"), "completed");
    EXPECT_EQ(downgrade.at("word"), "pending");
    EXPECT_EQ(downgrade.at("merchant_transaction_id"), "t1");
    EXPECT_EQ(downgrade.at("request_id"), "req-1");
    says(answers_word("failed"));
    run_to(66min);
    const auto reversed = only(observe::log_event_id::transaction_reversed);
    EXPECT_EQ(reversed.at("from"), "completed");
    EXPECT_EQ(reversed.at("to"), "failed");
    EXPECT_EQ(reversed.at("event"), "transaction.reversed");
    EXPECT_EQ(log_.count(observe::log_event_id::transaction_settled), 1U);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 600'100ms, 3'900'100ms)) << "counted from the settlement";
}

TEST_F(PollDriverLog, AnUnknownStatusIsReportedAndCountedOnce) {
    says(answers_word("frozen"));
    begin();
    run_to(11s);
    EXPECT_EQ(only(observe::log_event_id::proof_unknown_status).at("word"), "frozen");
    EXPECT_EQ(registry_.unknown_status_words().Value(), 1);
    EXPECT_THAT(reported(), ElementsAre("102 tracking frozen"));
    EXPECT_EQ(log_.count(observe::log_event_id::transaction_downgrade), 0U);
}

TEST_F(PollDriverLog, ThrottledSaysForHowLongAndWhenItIsOver) {
    track::poll_answer throttled = answers_with(track::reply_class::throttled, "429 rate_limited");
    throttled.retry_after = 30s;
    says(throttled);
    begin();
    run_to(29s);
    const auto line = only(observe::log_event_id::proof_throttled);
    EXPECT_EQ(line.at("retry_after_ms"), "30000");
    EXPECT_EQ(line.at("error"), "429 rate_limited");
    EXPECT_THAT(line.at("detail"), Not(testing::IsEmpty()));
    EXPECT_EQ(line.fields.count("from"), 0U);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    EXPECT_EQ(registry_.proof_up().Value(), 1) << "it answers";
    says(answers_word("pending"));
    run_to(30'100ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 30'100ms)) << "counted from the answer";
    run_to(3min);
    const auto over = only(observe::log_event_id::proof_recovered);
    EXPECT_EQ(over.at("from"), "throttled");
    EXPECT_EQ(over.at("detail"), "");
    EXPECT_EQ(over.fields.count("retry_after_ms"), 0U);
}

TEST_F(PollDriverLog, ARefusedTokenIsReportedAndItsFileReadAgain) {
    says(answers_with(track::reply_class::unauthorized, "401 invalid_token"));
    begin();
    run_to(20s);
    const auto line = only(observe::log_event_id::proof_unauthorized);
    EXPECT_EQ(line.at("error"), "401 invalid_token");
    EXPECT_EQ(line.at("request_id"), "req-1");
    EXPECT_THAT(line.at("detail"), HasSubstr("token"));
    EXPECT_EQ(tokens_wanted_, 1);
    EXPECT_EQ(registry_.proof_up().Value(), 0);
    says(answers_word("pending"));
    run_to(1min);
    EXPECT_EQ(only(observe::log_event_id::proof_recovered).at("from"), "unauthorized");
    EXPECT_EQ(registry_.proof_up().Value(), 1);
}

TEST_F(PollDriverLog, ARefusedServerIsReported) {
    says(answers_with(track::reply_class::forbidden, "403 ip_not_allowed"));
    begin();
    run_to(20s);
    const auto line = only(observe::log_event_id::proof_forbidden);
    EXPECT_EQ(line.at("error"), "403 ip_not_allowed");
    EXPECT_THAT(line.at("detail"), Not(testing::IsEmpty()));
    EXPECT_EQ(tokens_wanted_, 0);
}

TEST_F(PollDriverLog, WhatToDoAboutAnOutageDependsOnHowItLooks) {
    struct look {
        track::reply_class what;
        std::string error;
        std::string advice;
    };
    const std::vector<look> looks{
        {track::reply_class::no_reply, "connect: Connection refused", "network"},
        {track::reply_class::server_error, "401 without Proof's body", "a proxy or firewall"},
        {track::reply_class::server_error, "403 without Proof's body", "a proxy or firewall"},
        {track::reply_class::server_error, "404 without Proof's body", "refuses most ids"},
        {track::reply_class::server_error, "400 without Proof's body", "refuses most ids"}};
    for (const look& one : looks) {
        log_.clear();
        disk_ = {};
        says(answers_with(one.what, one.error));
        begin();
        run_to(2min);
        const auto line = only(observe::log_event_id::proof_unreachable);
        EXPECT_EQ(line.at("error"), one.error);
        EXPECT_THAT(line.at("detail"), HasSubstr(one.advice)) << one.error;
        EXPECT_EQ(registry_.proof_up().Value(), 0);
    }
}

TEST_F(PollDriverLog, AnIdThatIsRefusedWhileOthersAreAnsweredIsReportedAsSpecial) {
    proof_ = [](const track::poll_ticket& ticket) {
        return ticket.id == "t1" ? answers_with(track::reply_class::forbidden, "403 forbidden")
                                 : answers_word("pending");
    };
    begin();
    for (int i = 2; i < 6; ++i) {
        const store::add_outcome added = disk_.add_one(wanted("t" + std::to_string(i)));
        driver_->step(track::tracked_event{
            {*transaction_id::parse("t" + std::to_string(i)), added.facts, added.revision}, false});
    }
    run_to(1min);
    const auto lines = log_.of(observe::log_event_id::poll_error);
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines[0].at("merchant_transaction_id"), "t1");
    EXPECT_EQ(lines[0].at("result"), "forbidden");
    EXPECT_THAT(lines[0].at("advice"), HasSubstr("special"));
    EXPECT_EQ(log_.count(observe::log_event_id::proof_forbidden), 0U);
}

TEST_F(PollDriverLog, RefusalsOfManyIdsAtOnceAreOneLineAndHeldAgainstNobody) {
    options_.rules.not_found_grace = 1s;
    says(answers_with(track::reply_class::not_found, "404 transaction_not_found"));
    begin();
    for (int i = 2; i < 20; ++i) {
        const std::string id = "t" + std::to_string(i);
        const store::add_outcome added = disk_.add_one(wanted(id));
        driver_->step(track::tracked_event{{*transaction_id::parse(id), added.facts, added.revision}, false});
    }
    const auto burst_lines = [this] {
        std::size_t count = 0;
        for (const auto& line : log_.of(observe::log_event_id::poll_error))
            count += line.at("result").empty() ? 1U : 0U;
        return count;
    };
    run_to(1min);
    EXPECT_EQ(burst_lines(), 1U);
    EXPECT_EQ(log_.count(observe::log_event_id::transaction_not_found), 0U);
    says(answers_word("pending"));
    run_to(10min);
    EXPECT_EQ(burst_lines(), 1U) << "its end is no line";
}

TEST_F(PollDriverLog, FallingBehindSaysWhatIsTheLimit) {
    options_.max_rate = 1;
    says(answers_word("pending"));
    begin();
    for (int i = 2; i < 60; ++i) {
        const std::string id = "t" + std::to_string(i);
        const store::add_outcome added = disk_.add_one(wanted(id));
        driver_->step(track::tracked_event{{*transaction_id::parse(id), added.facts, added.revision}, false});
    }
    run_to(30s);
    const auto line = only(observe::log_event_id::poll_behind);
    EXPECT_EQ(line.at("wanted_per_second"), "11.8");
    EXPECT_EQ(line.at("limit"), "poll.max_rate");
    EXPECT_THAT(line.at("advice"), HasSubstr("poll.max_rate"));
    EXPECT_NE(line.at("oldest_due_ms"), "");
    EXPECT_NE(line.at("made_per_second"), "");
}

TEST_F(PollDriverLog, FallingBehindOfASlowDiskIsReportedAsThat) {
    store_options_.commit_time = {1min, 1min};
    says(answers_word("pending"));
    crash();
    boot();
    settle(1min);
    start_ = clock_.now().steady;
    for (std::size_t i = 0; i < track::most_unrecorded + 1'000; ++i) {
        const std::string id = "t" + std::to_string(i);
        const store::add_outcome added = disk_.add_one(wanted(id));
        driver_->step(track::tracked_event{{*transaction_id::parse(id), added.facts, added.revision}, false});
    }
    for (int i = 0; i < 30; ++i) {
        settle(1s);
        driver_->on_wake(); // as the housekeeping has it
    }
    EXPECT_TRUE(driver_->core().awaits_store());
    EXPECT_EQ(only(observe::log_event_id::poll_behind).at("limit"), "store");
    EXPECT_THAT(only(observe::log_event_id::poll_behind).at("advice"), HasSubstr("the disk"));
}

TEST_F(PollDriverLog, AClockThatIsApartFromProofsForAMinuteIsReportedOnce) {
    proof_ = [this](const track::poll_ticket&) {
        track::poll_answer answer = answers_word("pending");
        answer.server_date = std::chrono::floor<seconds>(clock_.now().wall) + 45s;
        return answer;
    };
    begin();
    run_to(5min);
    const auto line = only(observe::log_event_id::daemon_clock_skew);
    EXPECT_EQ(line.at("skew_ms"), "45390") << "and half of the grain of a Date, less what it lacks and the way";
    EXPECT_THAT(line.at("advice"), HasSubstr("NTP"));
}

TEST_F(PollDriverLog, WhatIsPolledAnsweredAndFoundIsCounted) {
    proof_ = [this](const track::poll_ticket& ticket) {
        const milliseconds now = since_start(clock_.now().steady);
        if (ticket.id != "t1") return answers_with(track::reply_class::no_reply, "timeout");
        track::poll_answer answer = answers_word(now < 10s ? "pending" : "completed");
        answer.updated_at = clock_.now().wall - 3s;
        return answer;
    };
    begin();
    run_to(6s);
    EXPECT_EQ(polls("good"), 1);
    EXPECT_EQ(polls("unchanged"), 1);
    EXPECT_EQ(registry_.transitions("tracking", "tracking").Value(), 1);
    EXPECT_EQ(registry_.transitions("tracking", "settled").Value(), 0);
    run_to(11s);
    EXPECT_EQ(polls("good"), 2);
    EXPECT_EQ(registry_.transitions("tracking", "settled").Value(), 1);
    const std::string text = registry_.serialize();
    EXPECT_THAT(text, HasSubstr("prooftrackd_detection_seconds_count 1\n")) << "of an event alone";
    EXPECT_THAT(text, HasSubstr("prooftrackd_detection_seconds_sum 3.102\n"));
    EXPECT_THAT(text, HasSubstr("prooftrackd_poll_lag_seconds_count 3\n"));
    EXPECT_THAT(text, HasSubstr("prooftrackd_poll_duration_seconds_sum 0.3\n"));
}

TEST_F(PollDriverLog, ATimeOfProofsThatIsAheadOfOursIsDetectedAtOnce) {
    proof_ = [this](const track::poll_ticket&) {
        track::poll_answer answer = answers_word("completed");
        answer.updated_at = clock_.now().wall + 1h;
        return answer;
    };
    begin();
    run_to(1s);
    EXPECT_THAT(registry_.serialize(), HasSubstr("prooftrackd_detection_seconds_sum 0\n"));
}

} // namespace
} // namespace prooftrack::engine
