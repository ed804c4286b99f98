// What is polled of shards that are taken up and let go, and how long the lease is trusted.

#include "engine/engine_life.hpp"
#include "poll_driver_fixture.hpp"
#include "support/fake_cluster.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

/// `t1` is the first row of the store: of shard 1.
class PollDriverShards : public PollDriver {
  protected:
    static shard_set of_t1() { return shard_set().set(1); }
    track::active_transaction stored(const std::string& id = "t1") {
        const fake_disk::transaction_row& found = row(id);
        return {*transaction_id::parse(id), found.facts, found.revision, fake_disk::shard_of(found)};
    }
    /// Counted from `start_`.
    void trust_to(milliseconds when) {
        driver_->trust_until(clock_.since_boot() + (start_ + when - clock_.now().steady));
    }
    /// `t1` is in the store, and nothing is held.
    void add() {
        settle(10ms);
        driver_->hold_nothing();
        start_ = clock_.now().steady;
        disk_.add_one(wanted("t1"));
    }

    fake_cluster others_;
};

TEST_F(PollDriverShards, AloneItHoldsEveryShard) {
    EXPECT_TRUE(driver_->held().all());
    EXPECT_TRUE(driver_->holds(255));
    driver_->hold_nothing();
    EXPECT_TRUE(driver_->held().none());
    EXPECT_FALSE(driver_->holds(255));
}

TEST_F(PollDriverShards, WhatIsNotHeldIsTakenInOnlyToBeAskedOnce) {
    add();
    driver_->take_in(stored());
    driver_->refresh(stored());
    run_to(1s);
    EXPECT_FALSE(is_known());
    EXPECT_THAT(poll_times(), IsEmpty());
    row().facts.state = track::tracking_state::settled;
    row().facts.status = "pending";
    row().facts.settled_at = clock_.now().wall;
    row().facts.watched = false;
    driver_->take_in(stored(), true);
    run_to(2s);
    EXPECT_THAT(poll_times(), ElementsAre(1'000ms));
}

TEST_F(PollDriverShards, WhatIsHeldIsTakenIn) {
    add();
    driver_->hold(of_t1());
    EXPECT_TRUE(driver_->holds(1));
    EXPECT_FALSE(driver_->holds(2));
    driver_->take_in(stored());
    EXPECT_EQ(driver_->count_in(of_t1()), 1U);
    EXPECT_EQ(driver_->count_in(~of_t1()), 0U);
    run_to(1h);
    EXPECT_THAT(reported(), ElementsAre("102 tracking pending", "5102 tracking processing", "10102 settled completed"));
}

TEST_F(PollDriverShards, ARowThatAnotherDaemonAddedIsPolledWhenTheNewsCome) {
    add();
    driver_->hold(of_t1());
    run_to(1s);
    driver_->refresh(stored());
    run_to(2s);
    EXPECT_THAT(poll_times(), ElementsAre(1'000ms));
}

TEST_F(PollDriverShards, WhatIsLetGoIsPolledNoMoreAndItsCountersAreSaved) {
    track();
    run_to(9s);
    const row_revision before = row().revision;
    driver_->let_go(of_t1(), true);
    EXPECT_EQ(driver_->count_in(of_t1()), 0U);
    EXPECT_FALSE(driver_->holds(1));
    EXPECT_TRUE(driver_->is_saving());
    run_to(9'001ms);
    EXPECT_TRUE(driver_->is_saving()) << "until the commit";
    run_to(9'010ms);
    EXPECT_FALSE(driver_->is_saving());
    run_to(1h);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 5'000ms));
    EXPECT_EQ(row().facts.polls, 2U);
    EXPECT_EQ(value_of(row().revision), value_of(before) + 1);
}

TEST_F(PollDriverShards, AWishThatWasNotFulfilledYetIsPassedOn) {
    memory_->share(others_);
    track();
    track("t2");
    run_to(200ms);
    driver_->step(track::poll_wanted_event{slot()}); // at most one a second
    driver_->let_go(all_shards(), true);
    EXPECT_THAT(others_.wanted, ElementsAre("t1"));
}

TEST_F(PollDriverShards, WithoutKeepingTheirCountersTheStoreIsLeftAlone) {
    track();
    run_to(9s);
    const std::uint64_t before = memory_->operations();
    driver_->let_go(of_t1(), false);
    EXPECT_FALSE(driver_->is_saving());
    run_to(1h);
    EXPECT_EQ(memory_->operations(), before);
}

TEST_F(PollDriverShards, WhatIsInFlightIsRecordedBeforeItGoes) {
    track();
    run_to(10'050ms);
    driver_->let_go(of_t1(), true);
    EXPECT_EQ(driver_->count_in(of_t1()), 1U);
    run_to(1h);
    EXPECT_EQ(driver_->count_in(of_t1()), 0U);
    EXPECT_EQ(row().facts.status, "completed");
    EXPECT_EQ(count_events(track::event_type::completed), 1U);
}

TEST_F(PollDriverShards, AShardThatComesBackMeanwhileIsPolledOn) {
    track();
    run_to(50ms);
    driver_->let_go(of_t1(), true);
    driver_->hold(of_t1());
    run_to(6s);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 5'000ms));
}

/// The change of an ended one, asked once, met a row that is another one by now: that is its owner's.
TEST_F(PollDriverShards, ARowThatIsNotHeldIsNotLoadedAgain) {
    add();
    row().facts.state = track::tracking_state::abandoned;
    row().facts.watched = false;
    proof_ = [](const track::poll_ticket&) { return answers_word("completed"); };
    driver_->take_in(stored(), true);
    run_to(50ms);
    fake_disk::raise(row());
    run_to(1h);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    EXPECT_FALSE(is_known());
    EXPECT_EQ(driver_->core().recording(), 0U);
    EXPECT_THAT(reported(), IsEmpty());
}

TEST_F(PollDriverShards, NothingIsPolledOnceTheLeaseHasRunOut) {
    track();
    trust_to(5s);
    run_to(4'999ms);
    EXPECT_FALSE(driver_->has_poll());
    run_to(8s);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    EXPECT_TRUE(driver_->core().oldest_due(clock_.now()) > 2s);
    EXPECT_FALSE(driver_->has_poll());
    EXPECT_FALSE(driver_->next_poll());
    EXPECT_FALSE(driver_->wake_due(clock_.now()));
    EXPECT_FALSE(driver_->may_repeat({}));
    trust_to(9s);
    run_to(20s);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 8'000ms)) << "the gate opens by itself, and shuts again";
    driver_->trust_until(std::nullopt);
    EXPECT_TRUE(driver_->may_repeat({}));
    run_to(1h);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 8'000ms, 20'000ms));
}

TEST_F(PollDriverShards, UntilItHasRunOutItIsTrusted) {
    track();
    trust_to(5'001ms);
    run_to(1h);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 5'000ms));
}

TEST_F(PollDriverShards, AMachineThatWasSuspendedWakesWithoutALease) {
    track();
    trust_to(8s);
    run_to(4'999ms);
    clock_.suspend(30s);
    run_to(7'999ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms)) << "its steady clock stood still, but others may have its shards";
    EXPECT_FALSE(driver_->may_repeat({}));
    trust_to(1min);
    run_to(20s);
    EXPECT_GT(client_->polls.size(), 1U);
}

TEST_F(PollDriverShards, WhatTheLeaseWithholdsIsNotBehind) {
    track();
    trust_to(3s);
    for (int i = 0; i < 30; ++i) {
        settle(1s);
        driver_->on_wake(); // as the housekeeping has it
    }
    EXPECT_GT(driver_->core().oldest_due(clock_.now()), 20s);
    EXPECT_EQ(log_.count(observe::log_event_id::poll_behind), 0U);
    driver_->trust_until(std::nullopt);
    driver_->on_wake();
    EXPECT_EQ(log_.count(observe::log_event_id::poll_behind), 0U) << "it has only now begun to catch up";
}

TEST_F(PollDriverShards, ManyCountersGoToTheStoreAThousandAtATime) {
    settle(10ms);
    std::vector<track::active_transaction> rows;
    for (int i = 0; i < 2'001; ++i) {
        const std::string id = "t" + std::to_string(i);
        disk_.add_one(wanted(id));
        rows.push_back(stored(id));
        rows.back().facts.polls = 3;
    }
    const std::uint64_t before = memory_->operations();
    driver_->save(std::move(rows));
    settle(1s);
    EXPECT_EQ(memory_->operations() - before, 3U);
    for (const auto& [id, saved] : disk_.transactions) EXPECT_EQ(saved.facts.polls, 3U) << id;
    driver_->save({});
    EXPECT_EQ(memory_->operations() - before, 3U);
}

TEST(TrackerOptions, TheRateIsSharedAndNobodyGetsNothing) {
    config::configuration config;
    const auto rate = [&](std::uint32_t most, std::size_t sharing) {
        config.poll.max_rate = most;
        return make_tracker_options(config, sharing).max_rate;
    };
    EXPECT_EQ(rate(100, 1), 100U);
    EXPECT_EQ(rate(100, 3), 34U);
    EXPECT_EQ(rate(2, 5), 1U);
    EXPECT_EQ(rate(0, 3), 0U) << "no limit";
    EXPECT_EQ(make_tracker_options(config).max_rate, 0U);
}

} // namespace
} // namespace prooftrack::engine
