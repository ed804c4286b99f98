// Who is told of a pause after a 429, and what a pause of another daemon does.

#include "poll_driver_fixture.hpp"
#include "support/fake_cluster.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using namespace std::chrono_literals;

class PollDriverPause : public PollDriver {
  protected:
    PollDriverPause() { memory_->share(cluster_); }
    static track::poll_answer throttled(std::optional<milliseconds> retry_after) {
        track::poll_answer answer = answers_with(track::reply_class::throttled, "429 rate_limited");
        answer.retry_after = retry_after;
        return answer;
    }
    /// `t1`, `t2` … begin 10 ms apart.
    void track_many(int count) {
        settle(10ms);
        start_ = clock_.now().steady;
        for (int i = 1; i <= count; ++i) {
            const std::string id = "t" + std::to_string(i);
            const store::add_outcome added = disk_.add_one(wanted(id));
            driver_->take_in({*transaction_id::parse(id), added.facts, added.revision, added.shard});
            settle(10ms);
        }
    }

    fake_cluster cluster_;
};

TEST_F(PollDriverPause, TheOthersAreToldOnceOfA429AndItsLikes) {
    proof_ = [](const track::poll_ticket&) { return throttled(7s); };
    track_many(9);
    run_to(3s);
    EXPECT_THAT(poll_times(), testing::SizeIs(9));
    EXPECT_THAT(cluster_.told, ElementsAre(7s));
    run_to(9s);
    EXPECT_THAT(cluster_.told, ElementsAre(7s, 7s)) << "asked again after the pause";
}

TEST_F(PollDriverPause, TheOthersAreToldOfALongerOne) {
    proof_ = [](const track::poll_ticket& ticket) { return throttled(ticket.id == "t2" ? 30s : 7s); };
    track_many(3);
    run_to(3s);
    EXPECT_THAT(cluster_.told, ElementsAre(7s, 30s));
}

/// The first pause ends 7 s after 100 ms, the second one is of an answer that came 10 ms later.
TEST_F(PollDriverPause, AQuarterOfASecondMoreIsNotTold) {
    proof_ = [](const track::poll_ticket& ticket) { return throttled(ticket.id == "t2" ? 7'240ms : 7'000ms); };
    track_many(2);
    run_to(3s);
    EXPECT_THAT(cluster_.told, ElementsAre(7s));
}

TEST_F(PollDriverPause, WhatIsMoreThanThatIsTold) {
    proof_ = [](const track::poll_ticket& ticket) { return throttled(ticket.id == "t2" ? 7'241ms : 7'000ms); };
    track_many(2);
    run_to(3s);
    EXPECT_THAT(cluster_.told, ElementsAre(7'000ms, 7'241ms));
}

TEST_F(PollDriverPause, NobodyIsToldOfWhatIsNoPause) {
    proof_ = [](const track::poll_ticket&) { return answers_with(track::reply_class::unauthorized, "401"); };
    track_many(3);
    run_to(1min);
    EXPECT_EQ(driver_->core().health().kind(), track::health_kind::unauthorized);
    EXPECT_THAT(cluster_.told, IsEmpty());
}

TEST_F(PollDriverPause, AnotherDaemonsHoldsHereAndIsNotTold) {
    track();
    run_to(1s);
    driver_->pause_as_elsewhere(30s);
    driver_->pause_as_elsewhere(29s);
    run_to(30'999ms);
    EXPECT_THAT(poll_times(), ElementsAre(0ms));
    const auto lines = log_.of(observe::log_event_id::proof_throttled);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("error"), "another node was answered 429");
    EXPECT_EQ(lines[0].at("retry_after_ms"), "30000");
    run_to(31s);
    EXPECT_THAT(poll_times(), ElementsAre(0ms, 31'000ms));
    EXPECT_THAT(cluster_.told, IsEmpty());
}

TEST_F(PollDriverPause, AnOwn429WithinAnothersPauseIsToldOnlyIfItIsLonger) {
    std::optional<milliseconds> pause = 7s;
    proof_ = [&pause](const track::poll_ticket&) { return throttled(pause); };
    track_many(1);
    driver_->pause_as_elsewhere(30s); // the poll is in flight
    run_to(3s);
    EXPECT_THAT(cluster_.told, IsEmpty());
    pause = 1min;
    run_to(31s);
    EXPECT_THAT(cluster_.told, ElementsAre(1min)) << "asked after it";
}

TEST_F(PollDriverPause, WithoutAClusterNobodyIsTold) {
    crash();
    boot();
    proof_ = [](const track::poll_ticket&) { return throttled(7s); };
    track_many(1);
    run_to(3s);
    EXPECT_EQ(driver_->core().health().kind(), track::health_kind::throttled);
    EXPECT_THAT(cluster_.told, IsEmpty());
}

} // namespace
} // namespace prooftrack::engine
