// The way of a change between Proof and the store, hints, a user's end, clocks and reloads.

#include "poll_driver_fixture.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

TEST_F(PollDriver, APollIsAnsweredRecordedPublishedAndRepeatedAnIntervalAfterItsStart) {
    track();
    run_to(1h);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 5'000ms, 10'000ms));
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "5102 tracking processing", "10102 settled completed"));
    EXPECT_FALSE(is_known()) << "without times of verify_after it has left";
    EXPECT_EQ(row().facts.state, track::tracking_state::settled);
    EXPECT_EQ(row().proof, R"({"status":"completed"})");
    EXPECT_FALSE(wake_->armed());
}

TEST_F(PollDriver, AnEventGoesToTheCallbacksThatSelectItAndCountsFromItsSeq) {
    track();
    run_to(11s);
    ASSERT_EQ(disk_.events.size(), 2U) << "updated and completed";
    ASSERT_EQ(recorded_.size(), 3U);
    EXPECT_EQ(recorded_[0].seq, std::nullopt) << "a first word is no event";
    EXPECT_EQ(recorded_[2].seq, event_seq{2});
    ASSERT_EQ(disk_.rows.size(), 2U);
    EXPECT_EQ(disk_.rows.at(2).view.callback, "shop");
    EXPECT_EQ(disk_.rows.at(2).view.event_type, "transaction.completed");
}

TEST_F(PollDriver, WhileAChangeIsBeingRecordedItsRowIsNotPolledAndShowsItsOldFacts) {
    store_options_.commit_time = {20s, 20s};
    crash();
    boot();
    settle(20s);
    track();
    run_to(20'099ms);
    ASSERT_TRUE(is_recording());
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    EXPECT_EQ(driver_->live(slot()).facts.status, "");
    EXPECT_TRUE(driver_->live(slot()).is_recording);
    run_to(20'100ms);
    EXPECT_THAT(reported(), ElementsAre("20100 tracking pending"));
    EXPECT_EQ(driver_->live(slot()).facts.status, "pending");
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 20'100ms)) << "its time has passed meanwhile";
}

TEST_F(PollDriver, WithoutAnAnswerTheIdIsNeverAskedASecondTime) {
    proof_ = [](const track::poll_ticket&) { return std::nullopt; };
    track("t1", 30min);
    run_to(10min);
    driver_->step(track::poll_wanted_event{slot()});
    run_to(40min);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    EXPECT_EQ(driver_->core().in_flight(), 1U);
    EXPECT_THAT(reported(), IsEmpty()) << "the answer in flight may be the end: it is overdue only behind it";
    proof_ = [](const track::poll_ticket&) { return answers_word("pending"); };
    driver_->on_answer(std::move(client_->unanswered.at(0)), answers_with(track::reply_class::no_reply, "timeout"));
    run_to(41min);
    EXPECT_THAT(reported(), ElementsAre("2400002 overdue ", "2400104 overdue pending"));
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 2'400'002ms)) << "the hint was kept";
}

TEST_F(PollDriver, AHintIsAskedAtOnceOrASecondAfterTheLastPoll) {
    track();
    run_to(500ms);
    driver_->step(track::poll_wanted_event{slot()});
    run_to(2'500ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms));
    driver_->step(track::poll_wanted_event{slot()});
    run_to(8s);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms, 2'500ms, 7'500ms));
}

TEST_F(PollDriver, AHintWhileInFlightOrRecordingIsKept) {
    for (const milliseconds when : {50ms, 101ms}) {
        crash();
        boot();
        disk_.transactions.clear();
        track();
        run_to(when);
        ASSERT_EQ(is_recording(), when == 101ms);
        driver_->step(track::poll_wanted_event{slot()});
        driver_->step(track::poll_wanted_event{slot()});
        run_to(5'999ms);
        EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms)) << when.count();
        run_to(6s);
        EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms, 6'000ms)) << when.count();
    }
}

TEST_F(PollDriver, UntrackingARowThatWaitsEndsItWhenItIsDurable) {
    track();
    run_to(3s);
    driver_->step(track::untracked_event{slot()});
    ASSERT_TRUE(is_recording());
    const auto how = await_change();
    EXPECT_EQ(*how, "");
    run_to(1min);
    EXPECT_EQ(*how, "durable");
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "3002 untracked pending"));
    EXPECT_EQ(driver_->core().size(), 0U);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
}

TEST_F(PollDriver, TheAnswerInFlightOfAnUntrackedRowChangesNothing) {
    track();
    run_to(50ms);
    driver_->step(track::untracked_event{slot()});
    const auto how = await_change();
    run_to(99ms);
    EXPECT_EQ(*how, "durable");
    EXPECT_FALSE(is_known());
    EXPECT_EQ(driver_->core().in_flight(), 1U) << "its place is taken until the answer has come";
    run_to(1min);
    EXPECT_EQ(driver_->core().size(), 0U);
    EXPECT_THAT(reported(), ElementsAre("52 untracked "));
    EXPECT_EQ(row().facts.status, "");
}

TEST_F(PollDriver, AnUntrackingThatTheStoreRefusesLeavesThePollInFlightItsRows) {
    track();
    run_to(50ms);
    memory_->fail_operation(1, store::store_error::full);
    driver_->step(track::untracked_event{slot()});
    const auto how = await_change();
    run_to(99ms);
    EXPECT_EQ(*how, name_of(store::store_error::full));
    EXPECT_TRUE(is_known());
    EXPECT_EQ(driver_->core().in_flight(), 1U);
    run_to(6s);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "5102 tracking processing"));
}

TEST_F(PollDriver, AnUntrackingOfARowThatIsAnotherOneOnTheDiskIsStaleAndItsAnswerCounts) {
    track();
    run_to(50ms);
    fake_disk::raise(row());
    driver_->step(track::untracked_event{slot()});
    const auto how = await_change();
    run_to(53ms);
    EXPECT_EQ(*how, "") << "it has ended when the row is loaded again";
    run_to(54ms);
    EXPECT_EQ(*how, name_of(store::store_error::stale));
    EXPECT_FALSE(is_recording());
    run_to(200ms);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending"));
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
}

TEST_F(PollDriver, EveryoneWhoAwaitsAChangeIsNotifiedOnceAndInTurn) {
    track();
    run_to(3s);
    driver_->step(track::untracked_event{slot()});
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {
        driver_->after_change(slot(), [&order, i](const op_result<std::monostate>& how) {
            EXPECT_TRUE(how);
            order.push_back(i);
        });
    }
    run_to(1min);
    EXPECT_THAT(order, ElementsAre(0, 1, 2));
}

TEST_F(PollDriver, AWaiterThatIsNotifiedOfAChangeMayStepAgainAndAwaitTheNextOne) {
    track();
    run_to(101ms);
    std::string seen;
    driver_->after_change(slot(), [&](const op_result<std::monostate>&) {
        seen += driver_->live(slot()).facts.status + ";";
        driver_->step(track::untracked_event{slot()});
        driver_->after_change(slot(), [&](const op_result<std::monostate>& how) { seen += how ? "ended" : "refused"; });
    });
    run_to(104ms);
    EXPECT_EQ(seen, "pending;ended");
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "104 untracked pending"));
}

TEST_F(PollDriver, TrackedAnewWhileItsEndIsBeingRecordedItIsANewTracking) {
    track();
    run_to(101ms);
    ASSERT_TRUE(is_recording());
    const auto how = await_change();
    row().facts.state = track::tracking_state::untracked;
    const store::add_outcome anew = disk_.add_one(wanted("t1"));
    ASSERT_EQ(anew.what, store::add_result::created);
    driver_->step(track::tracked_event{{*transaction_id::parse("t1"), anew.facts, anew.revision}, false});
    EXPECT_FALSE(is_recording());
    run_to(102ms);
    EXPECT_EQ(*how, name_of(store::store_error::stale)) << "without a second load: memory has the row already";
    run_to(6'200ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms, 6'000ms)) << "a second after the other tracking's poll";
    EXPECT_THAT(reported(), ElementsAre("1102 tracking pending", "6102 tracking processing"));
}

TEST_F(PollDriver, AReloadOfTheIntervalHoldsFromTheNextPoll) {
    track();
    run_to(3s);
    options_.rules.interval = {2s, 2s};
    driver_->step(track::options_changed_event{options_});
    run_to(7'500ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 3'000ms, 5'000ms, 7'000ms));
}

TEST_F(PollDriver, AReloadWhileInFlightOrRecordingHoldsAsWell) {
    const track::tracker_options before = options_;
    for (const milliseconds when : {50ms, 101ms}) {
        options_ = before;
        crash();
        boot();
        disk_.transactions.clear();
        track();
        run_to(when);
        options_.rules.interval = {20s, 20s};
        driver_->step(track::options_changed_event{options_});
        run_to(21s);
        EXPECT_THAT(poll_times(), ElementsAre(0ms, 20'000ms)) << when.count();
    }
}

TEST_F(PollDriver, ANewTokenIsTriedAtOnce) {
    proof_ = [](const track::poll_ticket&) {
        return answers_with(track::reply_class::unauthorized, "401 invalid_token");
    };
    track();
    run_to(20s);
    const std::size_t before = client_->polls.size();
    EXPECT_EQ(tokens_wanted_, 1) << "the first refusal of the row asks for the token file to be read";
    proof_ = [](const track::poll_ticket&) { return answers_word("pending"); };
    driver_->step(track::token_changed_event{});
    run_to(20'100ms);
    ASSERT_EQ(client_->polls.size(), before + 1);
    EXPECT_EQ(poll_times().back(), 20'000ms);
    EXPECT_EQ(driver_->core().health().kind(), track::health_kind::ok);
}

TEST_F(PollDriver, OneInTenPollsMayBeRepeated) {
    track();
    run_to(1s);
    const track::poll_ticket ticket;
    int allowed = 0;
    while (driver_->may_repeat(ticket)) ++allowed;
    EXPECT_EQ(allowed, track::most_saved_repeats);
    run_to(49s);
    proof_ = [](const track::poll_ticket&) { return answers_word("pending"); };
    EXPECT_FALSE(driver_->may_repeat(ticket)) << "three polls are not ten";
}

/// Proof's Date vouches for the clock, so that a wall clock that is set is seen to be wrong.
class PollDriverClocks : public PollDriver {
  protected:
    PollDriverClocks() {
        proof_ = [this](const track::poll_ticket&) {
            track::poll_answer answer = answers_word(since_start(clock_.now().steady) < 5s ? "pending" : "processing");
            answer.server_date = std::chrono::floor<seconds>(clock_.true_wall());
            return answer;
        };
    }
};

TEST_F(PollDriverClocks, AWallClockThatIsSetMovesNeitherDeadlinesNorWhatIsNoted) {
    track("t1", 1h);
    run_to(3s);
    const wall_time before = driver_->vouched_now();
    clock_.jump_wall(2h);
    EXPECT_EQ(driver_->vouched_now(), before);
    EXPECT_FALSE(is_recording());
    run_to(6s);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "5102 tracking processing"));
    EXPECT_EQ(row().history.back().at, before + 2'100ms);
}

TEST_F(PollDriverClocks, AStepSeesAClockThatWasSetBeforeItJudges) {
    track("t1", 1h);
    run_to(3s);
    const wall_time before = clock_.now().wall;
    clock_.jump_wall(-2h);
    driver_->step(track::untracked_event{slot()});
    run_to(4s);
    EXPECT_EQ(row().history.back().at, before) << "judged by the time that Proof vouched for";
}

TEST_F(PollDriverClocks, ASleepPastADeadlineIsSeenByWhoLooks) {
    track("t1", 1h);
    run_to(3s);
    clock_.suspend(1h);
    ASSERT_TRUE(driver_->core().may_untrack(slot())) << "nobody has looked at the clock";
    const track::tracker& core = driver_->follow_clock();
    EXPECT_TRUE(core.is_recording(slot())) << "its end has come first";
    EXPECT_FALSE(core.may_untrack(slot()));
    run_to(3'002ms);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "3002 overdue pending"));
}

TEST_F(PollDriverClocks, WhatFollowClockAllowsIsStillAllowedToAStepAtOnce) {
    track("t1", 1h);
    run_to(3s);
    ASSERT_TRUE(driver_->follow_clock().may_untrack(slot()));
    clock_.suspend(1h); // within the turn of the loop
    driver_->step_at_once(track::untracked_event{slot()});
    run_to(4s);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "3002 untracked pending"));
}

} // namespace
} // namespace prooftrack::engine
