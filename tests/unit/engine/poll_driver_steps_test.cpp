// A transaction's way fails at its first, second, … step, and is stopped or crashes before each.

#include "poll_driver_fixture.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// A life of `t1`: pending, processing and completed are three changes.
class PollDriverSteps : public PollDriver {
  protected:
    void begin() {
        log_.clear();
        recorded_.clear();
        crash();
        disk_ = {};
        boot();
        track();
    }
    /// What holds whatever happened on the way.
    void expect_the_end(const std::string& when) {
        EXPECT_EQ(row().facts.state, track::tracking_state::settled) << when;
        EXPECT_EQ(row().facts.status, "completed") << when;
        EXPECT_EQ(count_events(track::event_type::completed), 1U) << when;
        EXPECT_FALSE(is_known()) << when;
        EXPECT_EQ(driver_->core().in_flight() + driver_->core().recording(), 0U) << when;
    }
    /// Runs so many steps of the clock.
    void step(std::uint64_t count) {
        const std::uint64_t end = clock_.steps() + count;
        while (clock_.steps() < end && clock_.step()) {
        }
    }
    /// Steps that the whole way takes when nothing comes between.
    std::uint64_t all_steps() {
        begin();
        const std::uint64_t first = clock_.steps();
        run_to(1min);
        expect_the_end("undisturbed");
        return clock_.steps() - first;
    }
    std::string state_of(std::uint64_t step) const { return "step " + std::to_string(step); }
};

struct step_failure {
    store::store_error error;
    std::size_t lines = 0;                        ///< on the log
    std::vector<std::vector<milliseconds>> polls; ///< by the change that fails
    std::vector<milliseconds> settled;
};

TEST_F(PollDriverSteps, AChangeThatTheStoreDoesNotTakeIsAskedForAgain) {
    // Refused: 8 s after the refusal. Another row by then (not found as well): loaded within 2 ms, and asked again a
    // second after the last poll.
    const std::vector<std::vector<milliseconds>> later{
        {0ms, 8'102ms, 13'102ms},
        {0ms, 5'000ms, 13'102ms},
        {0ms, 5'000ms, 10'000ms, 18'102ms},
        {0ms, 5'000ms, 10'000ms}};
    const std::vector<std::vector<milliseconds>> soon{
        {0ms, 1'000ms, 6'000ms, 11'000ms},
        {0ms, 5'000ms, 6'000ms, 11'000ms},
        {0ms, 5'000ms, 10'000ms, 11'000ms},
        {0ms, 5'000ms, 10'000ms}};
    const std::vector<milliseconds> late_end{13'204ms, 13'204ms, 18'204ms, 10'102ms};
    const std::vector<milliseconds> soon_end{11'102ms, 11'102ms, 11'102ms, 10'102ms};
    const std::vector<step_failure> failures{
        {store::store_error::full, 1, later, late_end},
        {store::store_error::failed, 1, later, late_end},
        {store::store_error::stopped, 0, later, late_end},
        {store::store_error::stale, 0, soon, soon_end},
        {store::store_error::not_found, 0, soon, soon_end}};
    for (const step_failure& failure : failures) {
        for (std::size_t step = 0; step < failure.polls.size(); ++step) {
            const std::string where = name_of(failure.error) + ", change " + std::to_string(step + 1);
            begin();
            memory_->fail_operation(step + 1, failure.error);
            run_to(1min);
            EXPECT_EQ(poll_times(), failure.polls[step]) << where;
            ASSERT_FALSE(recorded_.empty()) << where;
            EXPECT_EQ(since_start(recorded_.back().at), failure.settled[step]) << where;
            const std::size_t lines = step + 1 < failure.polls.size() ? failure.lines : 0;
            EXPECT_EQ(log_.count(observe::log_event_id::store_error), lines) << where;
            expect_the_end(where);
        }
    }
}

TEST_F(PollDriverSteps, ARefusalNamesTheChangeOnTheLog) {
    begin();
    memory_->fail_operation(1, store::store_error::full);
    run_to(1s);
    const auto lines = log_.of(observe::log_event_id::store_error);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("operation"), "record a change");
    EXPECT_EQ(lines[0].at("merchant_transaction_id"), "t1");
    EXPECT_EQ(lines[0].at("error"), "fake store: no room on the disk");
}

TEST_F(PollDriverSteps, ARowThatCannotBeLoadedAgainIsAskedLikeAfterARefusal) {
    begin();
    run_to(101ms);
    const auto how = await_change();
    memory_->fail_operation(1, store::store_error::stale);
    run_to(102ms);
    EXPECT_EQ(*how, "");
    const auto late = await_change(); // the row is recording still
    memory_->fail_operation(1, store::store_error::full);
    run_to(104ms);
    EXPECT_EQ(*how, name_of(store::store_error::stale));
    EXPECT_EQ(*late, name_of(store::store_error::stale));
    EXPECT_FALSE(is_recording());
    EXPECT_THAT(reported(), IsEmpty());
    run_to(1min);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 8'104ms, 13'104ms));
    expect_the_end("a failed load");
}

TEST_F(PollDriverSteps, AStaleRowIsTakenOverAsItIsStoredNow) {
    begin();
    run_to(101ms);
    row().facts.state = track::tracking_state::untracked;
    ASSERT_EQ(disk_.add_one(wanted("t1", 10s)).what, store::add_result::created);
    const auto how = await_change();
    run_to(103ms);
    EXPECT_EQ(*how, "");
    run_to(104ms);
    EXPECT_EQ(*how, name_of(store::store_error::stale));
    EXPECT_EQ(driver_->live(slot()).facts.overdue_at, row().facts.overdue_at);
    run_to(1'200ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 1'000ms));
    EXPECT_THAT(reported(), ElementsAre("1102 tracking pending"));
}

TEST_F(PollDriverSteps, AStaleRowThatIsGoneOrUntrackedLeavesMemory) {
    for (const bool is_gone : {true, false}) {
        begin();
        run_to(101ms);
        const auto how = await_change();
        if (is_gone) {
            disk_.transactions.clear();
        } else {
            row().facts.state = track::tracking_state::untracked;
            fake_disk::raise(row());
        }
        run_to(1min);
        EXPECT_EQ(*how, name_of(store::store_error::stale));
        EXPECT_EQ(driver_->core().size(), 0U);
        EXPECT_THAT(poll_times(), ElementsAre(0ms));
        EXPECT_THAT(reported(), IsEmpty());
        EXPECT_EQ(log_.count(observe::log_event_id::store_error), 0U) << "somebody else's change is no failure";
    }
}

TEST_F(PollDriverSteps, StoppedBeforeEachStepItSendsNoMoreAndTakesWhatIsCommitted) {
    const std::uint64_t steps = all_steps();
    ASSERT_GT(steps, 10U);
    for (std::uint64_t stop_at = 0; stop_at <= steps; ++stop_at) {
        begin();
        step(stop_at);
        driver_->stop_polling();
        const std::size_t polls = client_->polls.size();
        const auto how = is_recording() ? await_change() : std::make_shared<std::string>("durable");
        run_to(1h);
        driver_->core().check_invariants();
        EXPECT_EQ(client_->polls.size(), polls) << state_of(stop_at);
        EXPECT_EQ(driver_->core().in_flight() + driver_->core().recording(), 0U) << state_of(stop_at);
        EXPECT_EQ(*how, "durable") << state_of(stop_at);
        EXPECT_EQ(driver_->wake_due(clock_.now()), std::nullopt) << state_of(stop_at);
        EXPECT_FALSE(driver_->next_poll()) << state_of(stop_at);
        if (!recorded_.empty()) {
            EXPECT_EQ(recorded_.back().status, row().facts.status) << state_of(stop_at);
        }
        if (is_known()) {
            EXPECT_EQ(driver_->live(slot()).facts.status, row().facts.status) << state_of(stop_at);
        }
    }
}

TEST_F(PollDriverSteps, CrashedBeforeEachStepTheNextLifeEndsItOnce) {
    const std::uint64_t steps = all_steps();
    for (std::uint64_t crash_at = 0; crash_at <= steps; ++crash_at) {
        begin();
        step(crash_at);
        crash();
        boot();
        run_to(1min);
        driver_->core().check_invariants();
        expect_the_end(state_of(crash_at));
    }
}

/// What somebody does in the middle of the way.
struct interference {
    std::string name;
    milliseconds at;
    std::function<void()> act;
};

TEST_F(PollDriverSteps, WhateverComesBetweenFailsAndStopsAnywhereItStaysConsistent) {
    int awaited = 0;
    int ended = 0;
    const auto await = [&] {
        if (!is_known() || !driver_->core().is_recording(slot())) return;
        ++awaited;
        driver_->after_change(slot(), [&](const op_result<std::monostate>&) { ++ended; });
    };
    const auto hint = [&] {
        if (is_known()) driver_->step(track::poll_wanted_event{slot()});
        await();
    };
    const auto untrack = [&] {
        if (is_known() && driver_->core().may_untrack(slot())) driver_->step(track::untracked_event{slot()});
        await();
    };
    const auto reload = [&] {
        track::tracker_options other = options_;
        other.rules.interval = {2s, 2s};
        driver_->step(track::options_changed_event{other});
        await();
    };
    const auto track_anew = [&] {
        row().facts.state = track::tracking_state::untracked;
        const store::add_outcome added = disk_.add_one(wanted("t1"));
        driver_->step(track::tracked_event{{*transaction_id::parse("t1"), added.facts, added.revision}, false});
        await();
    };
    const std::vector<interference> all{
        {"nothing", 0ms, await},
        {"a hint in flight", 50ms, hint},
        {"a hint while recording", 101ms, hint},
        {"untracked in flight", 50ms, untrack},
        {"untracked while waiting", 3s, untrack},
        {"a reload in flight", 50ms, reload},
        {"a reload while recording", 101ms, reload},
        {"tracked anew in flight", 50ms, track_anew},
        {"tracked anew while recording", 5'101ms, track_anew}};
    for (const interference& between : all) {
        for (std::uint64_t fault = 0; fault <= 6; ++fault) { // none, then full and stale at the first three operations
            for (std::uint64_t stop_at = 0; stop_at <= 20; ++stop_at) {
                const std::string where = between.name + ", fault " + std::to_string(fault) + ", " + state_of(stop_at);
                begin();
                if (fault > 0)
                    memory_->fail_operation(
                        (fault + 1) / 2, fault % 2 == 0 ? store::store_error::full : store::store_error::stale);
                clock_.at(start_ + between.at, between.act, process);
                step(stop_at);
                driver_->stop_polling();
                settle(1min);
                driver_->core().check_invariants();
                EXPECT_EQ(ended, awaited) << where << ": each is told once";
                EXPECT_EQ(driver_->core().in_flight() + driver_->core().recording(), 0U) << where;
                if (is_known()) {
                    EXPECT_EQ(driver_->live(slot()).facts.status, row().facts.status) << where;
                }
                crash();
                boot();
                settle(1min);
                driver_->core().check_invariants();
                const bool is_untracked = row().facts.state == track::tracking_state::untracked;
                EXPECT_TRUE(is_untracked || row().facts.state == track::tracking_state::settled) << where;
                EXPECT_EQ(count_events(track::event_type::completed), is_untracked ? 0U : 1U) << where;
                EXPECT_FALSE(is_known()) << where;
            }
        }
    }
    EXPECT_GT(awaited, 100);
}

} // namespace
} // namespace prooftrack::engine
