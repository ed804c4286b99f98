// The state of the daemon as people, probes and Prometheus see it.

#include "engine/status_calls.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cluster_fixture.hpp"
#include "use_case_world.hpp"

namespace prooftrack::engine {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace std::chrono_literals;

class StatusCalls : public testing::Test {
  protected:
    std::string text_of(void (status_calls::*call)(api::backend_handler<std::string>)) {
        std::optional<api::outcome<std::string>> done;
        (world_.status.get()->*call)([&](api::outcome<std::string> text) { done = std::move(text); });
        world_.memory.pump();
        return std::get<std::string>(std::move(done).value());
    }
    std::string status_json() { return text_of(&status_calls::status_json); }
    std::string metrics_text() { return text_of(&status_calls::metrics_text); }

    /// Proof answers the poll that is due.
    void answer(track::reply_class what, const std::string& error, const std::string& status = "") {
        world_.clock.run_for(10s);
        auto ticket = world_.polls.next_poll();
        ASSERT_TRUE(ticket);
        track::poll_answer given;
        given.what = what;
        given.error = error;
        given.status = status;
        given.body_hash = status.empty() ? 0 : 1;
        world_.polls.on_answer(std::move(*ticket), std::move(given));
        world_.memory.pump();
    }
    /// A daemon that has one transaction and polls it.
    void begin_polls() {
        world_.polls.step(track::started_event{});
        world_.track("t1");
    }

    use_case_world world_;
};

TEST_F(StatusCalls, ARunningDaemonIsReady) {
    const api::health_report report = world_.status->ready();
    EXPECT_TRUE(report.ok);
    EXPECT_THAT(report.reasons, IsEmpty());
    EXPECT_EQ(report.proof, "not asked yet");
    EXPECT_TRUE(world_.status->healthy().ok);
    EXPECT_EQ(world_.status->healthy().proof, "") << "an answer is all that it says";
}

TEST_F(StatusCalls, EachReasonNotToBeReadyIsNamed) {
    world_.state.life = daemon_state::phase::loading;
    EXPECT_FALSE(world_.status->ready().ok);
    EXPECT_THAT(world_.status->ready().reasons, ElementsAre("starting: the database is being read"));
    world_.state.life = daemon_state::phase::stopping;
    world_.state.disk = track::store_state::full;
    EXPECT_FALSE(world_.status->ready().ok);
    EXPECT_THAT(
        world_.status->ready().reasons,
        ElementsAre("stopping", "the disk is full: new work is refused until there is room"));
    EXPECT_TRUE(world_.status->healthy().ok) << "the loop runs";
    world_.state.life = daemon_state::phase::running;
    EXPECT_FALSE(world_.status->ready().ok);
}

TEST_F(StatusCalls, ANodeWhoseLeaseHasRunOutIsNotReadyAndShowsItsCluster) {
    journal book(world_.clock);
    written_cluster others(book);
    written_work work(world_.clock, book);
    cluster_duties duties{{world_.clock, world_.log, world_.counts, &others, work, world_.config, [] {}}};
    world_.status = std::make_unique<status_calls>(
        status_sources{
            world_.clock, world_.memory, world_.counts, world_.polls.core(), world_.deliveries, world_.upkeep,
            world_.state, world_.standing, &duties},
        "test");
    EXPECT_EQ(status_json().find("\"cluster\""), std::string::npos) << "nothing is known yet";
    EXPECT_EQ(metrics_text().find("prooftrackd_cluster"), std::string::npos);
    store::cluster_view view;
    view.node = "pay1";
    view.owners.fill(-1);
    duties.on_view(view);
    duties.on_lease(world_.clock.since_boot() + 3s);
    EXPECT_TRUE(world_.status->ready().ok);
    EXPECT_THAT(status_json(), HasSubstr(R"("cluster":{"node":"pay1","nodes":[],"unowned_shards":256,"moves":[]})"));
    EXPECT_THAT(metrics_text(), HasSubstr("prooftrackd_lease_remaining_seconds 3\n"));
    world_.clock.run_for(3s);
    EXPECT_FALSE(world_.status->ready().ok);
    EXPECT_THAT(world_.status->ready().reasons, ElementsAre(HasSubstr("lease has run out")));
    duties.on_lease(world_.clock.since_boot() + 3s);
    EXPECT_TRUE(world_.status->ready().ok);
    duties.on_fenced("gone");
    EXPECT_THAT(world_.status->ready().reasons, ElementsAre(HasSubstr("took this one for gone")));
}

TEST_F(StatusCalls, HowProofAnswersIsNoReasonNotToBeReady) {
    begin_polls();
    answer(track::reply_class::good, "", "pending");
    EXPECT_EQ(world_.status->ready().proof, "ok");
}

TEST_F(StatusCalls, WhatIsWrongWithProofIsSaidWithItsOwnErrorIfThereIsOne) {
    begin_polls();
    answer(track::reply_class::throttled, "429");
    EXPECT_EQ(world_.status->ready().proof, "throttled: 429");
    EXPECT_TRUE(world_.status->ready().ok);
    EXPECT_THAT(world_.status->summary(), HasSubstr("Proof throttled: 429"));
}

TEST_F(StatusCalls, WhatIsWrongWithProofIsSaidWithoutAnError) {
    begin_polls();
    answer(track::reply_class::throttled, "");
    EXPECT_EQ(world_.status->ready().proof, "throttled");
}

TEST_F(StatusCalls, TheLineForPeopleSaysWhatIsWrong) {
    EXPECT_EQ(world_.status->summary(), "0 pending, 0 polls/s, Proof not asked yet");
    world_.track("t1");
    world_.state.disk = track::store_state::full;
    EXPECT_EQ(world_.status->summary(), "1 pending, 0 polls/s, Proof not asked yet, THE DISK IS FULL");
    world_.standing.refusal = "poll.interval: too short";
    EXPECT_EQ(
        world_.status->summary(),
        "1 pending, 0 polls/s, Proof not asked yet, THE DISK IS FULL, THE CONFIGURATION WAS REFUSED");
    world_.state.disk = track::store_state::ok;
    EXPECT_EQ(world_.status->summary(), "1 pending, 0 polls/s, Proof not asked yet, THE CONFIGURATION WAS REFUSED");
    world_.standing.refusal.clear();
    world_.state.disk = track::store_state::unreachable;
    EXPECT_EQ(world_.status->summary(), "1 pending, 0 polls/s, Proof not asked yet, POSTGRESQL CANNOT BE REACHED");
    EXPECT_FALSE(world_.status->ready().ok);
    EXPECT_EQ(world_.status->ready().reasons.at(0), "PostgreSQL cannot be reached: new work is refused until it can");
}

TEST_F(StatusCalls, TheStatusShowsWhatTheStoreAndMemoryKnow) {
    world_.clock.run_for(61s);
    world_.disk.consumers["ledger"] = {};
    world_.status->set_secrets({{"client_token", {"ab12"}}});
    world_.state.disk = track::store_state::full;
    const std::string body = status_json();
    EXPECT_THAT(body, HasSubstr(R"("version":"test","uptime_seconds":61,)"));
    EXPECT_THAT(body, HasSubstr(R"("store":{"state":"full",)")) << "the disk as memory knows it";
    EXPECT_THAT(body, HasSubstr(R"("callbacks":[{"name":"shop","state":"ok",)"));
    EXPECT_THAT(body, HasSubstr(R"("consumers":[{"name":"ledger","seq":0,"lag":0,)"));
    EXPECT_THAT(body, HasSubstr(R"("secrets":[{"name":"client_token","fingerprints":["ab12"]}])"));
}

TEST_F(StatusCalls, TheMetricsAreFreshFromTheStoreWhenItAnswers) {
    world_.disk.consumers["ledger"] = {};
    world_.add_event(1);
    EXPECT_THAT(metrics_text(), HasSubstr("ledger"));
    world_.memory.set_failed();
    EXPECT_THAT(metrics_text(), HasSubstr("ledger")) << "what memory knows";
}

} // namespace
} // namespace prooftrack::engine
