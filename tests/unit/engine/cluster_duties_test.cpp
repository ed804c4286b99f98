// What one of several daemons takes up, hands over and drops, and when.

#include <gmock/gmock.h>

#include "cluster_fixture.hpp"

namespace prooftrack::engine {
namespace {

using namespace std::chrono_literals;
using observe::log_event_id;
using store::shard_gain;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using ClusterDuties = Cluster;

TEST_F(ClusterDuties, AloneDoesNothing) {
    cluster_duties alone{{clock_, log_, counts_, nullptr, work_, config_, [] {}}};
    EXPECT_FALSE(alone.is_clustered());
    bool is_ready = false;
    alone.start([&is_ready] { is_ready = true; });
    EXPECT_TRUE(is_ready);
    EXPECT_EQ(alone.next_wake(), std::nullopt);
    alone.on_wake(clock_.now());
    alone.report();
    EXPECT_EQ(alone.owner_of(7), "");
    EXPECT_EQ(alone.view(), std::nullopt);
    EXPECT_EQ(alone.why_idle(), "");
    int stopped = 0;
    alone.stop(10s, [&] { ++stopped; });
    EXPECT_EQ(stopped, 1);
    EXPECT_THAT(book_.take(), IsEmpty());
    EXPECT_THAT(counts_.serialize(), Not(HasSubstr("prooftrackd_cluster")));
    EXPECT_THAT(counts_.serialize(), Not(HasSubstr("prooftrackd_lease")));
}

TEST_F(ClusterDuties, TakesUpWhatItGainsOnceTheEndOfTheNewsIsKnown) {
    duties_.start([this] { is_ready_ = true; });
    EXPECT_TRUE(duties_.is_clustered());
    duties_.on_gained(range(0, 9), shard_gain::unowned, 0ms);
    duties_.on_gained(range(20, 20), shard_gain::handed_over, 0ms);
    EXPECT_THAT(book_.take(), ElementsAre("0 read_news -1", "0 join"));
    fail_news();
    run_for(499ms);
    EXPECT_THAT(book_.take(), IsEmpty());
    run_for(1ms);
    EXPECT_THAT(book_.take(), ElementsAre("500 read_news -1"));
    duties_.on_view(view_of({{node("a"), range(0, 5) | range(20, 20)}})); // 6 to 9 went meanwhile
    book_.take();
    answer_news({});
    EXPECT_THAT(
        book_.take(),
        ElementsAre("500 controls", "500 replays", "500 hold 0-5", "500 take_up 0-5", "500 hold 20", "500 take_up 20"));
}

TEST_F(ClusterDuties, TheDaemonIsReadyWhenItsFirstShardsAreLoaded) {
    begin();
    duties_.on_gained(range(0, 9), shard_gain::unowned, 0ms);
    duties_.on_view(view_of({{node("a"), range(0, 9)}}));
    EXPECT_FALSE(is_ready_);
    end_taking(3U);
    EXPECT_TRUE(is_ready_);
}

TEST_F(ClusterDuties, TheDaemonIsReadyAtOnceWhenOthersHaveAllShards) {
    begin();
    EXPECT_FALSE(is_ready_);
    duties_.on_view(view_of({{node("a"), {}}, {node("b"), all_shards()}}));
    EXPECT_TRUE(is_ready_);
}

TEST_F(ClusterDuties, TheDaemonIsReadyAfterAWhileThoughNothingCouldBeLoaded) {
    begin();
    duties_.on_gained(range(0, 9), shard_gain::unowned, 0ms);
    duties_.on_view(view_of({{node("a"), range(0, 9)}}));
    run_for(9'999ms);
    EXPECT_FALSE(is_ready_);
    run_for(1ms);
    EXPECT_TRUE(is_ready_);
}

TEST_F(ClusterDuties, SpreadsFirstPollsByHowTheShardsCame) {
    begin();
    config_.poll.interval = {4s, 8s};
    duties_.on_gained(range(0, 0), shard_gain::unowned, 0ms);
    duties_.on_gained(range(1, 1), shard_gain::handed_over, 0ms);
    duties_.on_gained(range(2, 2), shard_gain::taken_over, 4'300ms);
    duties_.on_gained(range(3, 3), shard_gain::taken_over, 20s);
    book_.take();
    for (auto& call : cluster_.taking) {
        call.on_chunk({row("r0", 0), row("r1", 1), row("r2", 2), row("r3", 3)});
        call.on_chunk({});
    }
    EXPECT_THAT(
        book_.take(),
        ElementsAre("0 load r0 within 6000", "0 load r1 within 500", "0 load r2 within 3200", "0 load r3 within 500"))
        << "each its own shards alone";
    clock_.run_for(2s);
    cluster_.taking[2].on_chunk({row("late", 2)});
    clock_.run_for(3s);
    cluster_.taking[2].on_chunk({row("later", 2)});
    EXPECT_THAT(book_.take(), ElementsAre("2000 load late within 1200", "5000 load later within 500"));
}

TEST_F(ClusterDuties, TriesAgainToTakeUpWhileTheShardsAreItsOwn) {
    begin();
    duties_.on_gained(range(0, 9), shard_gain::handed_over, 0ms);
    book_.take();
    chunk({row("t1", 3)});
    end_taking(away());
    run_for(199ms);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
    run_for(1ms);
    EXPECT_THAT(book_.take("take_up"), ElementsAre("200 take_up 0-9"));
    end_taking(away());
    duties_.on_view(view_of({{node("a"), range(0, 4)}}));
    run_for(200ms);
    EXPECT_THAT(book_.take(), ElementsAre("200 cluster lets go 5-9", "200 work lets go 5-9", "400 take_up 0-4"));
    end_taking(1U);
    EXPECT_THAT(book_.take(), ElementsAre("400 loaded 0-4"));
    run_for(300ms);
    EXPECT_THAT(book_.take("take_up"), IsEmpty());
}

TEST_F(ClusterDuties, TellsOnceOfEachTakeOver) {
    begin();
    duties_.on_view(view_of({{node("a"), range(0, 1)}, {node("b"), range(2, 3)}, {node("c"), range(4, 5)}}));
    duties_.on_gained(range(2, 4), shard_gain::taken_over, 4s);
    duties_.on_gained(range(6, 6), shard_gain::unowned, 0ms);
    duties_.on_gained(range(5, 5), shard_gain::handed_over, 0ms);
    clock_.run_for(80ms);
    for (int i = 0; i < 3; ++i) end_taking(7U);
    const auto lines = log_.of(log_event_id::cluster_taken_over);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("from"), "b c");
    EXPECT_EQ(lines[0].at("shards"), "3");
    EXPECT_EQ(lines[0].at("transactions"), "7");
    EXPECT_EQ(lines[0].at("took_ms"), "80");
    duties_.report();
    EXPECT_THAT(counts_.serialize(), HasSubstr("prooftrackd_cluster_takeovers_total 1\n"));
}

TEST_F(ClusterDuties, BeforeTheFirstViewTheMovesSayWhoseShardsWereTaken) {
    begin();
    duties_.on_gained(range(0, 1), shard_gain::taken_over, 4s); // after a crash, of its own last start
    auto view = view_of({{node("a"), range(0, 1)}});
    view.moves = {
        {clock_.now().wall, "b", "c", 1, shard_gain::taken_over},
        {clock_.now().wall, "a", "d", 1, shard_gain::handed_over},
        {clock_.now().wall, "a", "a", 2, shard_gain::taken_over},
        {clock_.now().wall, "a", "e", 9, shard_gain::taken_over}};
    duties_.on_view(view);
    end_taking(7U);
    ASSERT_EQ(log_.count(log_event_id::cluster_taken_over), 1U);
    EXPECT_EQ(log_.of(log_event_id::cluster_taken_over)[0].at("from"), "a");
}

TEST_F(ClusterDuties, DropsWhatIsSomebodyElsesAlready) {
    begin();
    own(range(0, 99));
    duties_.on_view(view_of({{node("a"), range(0, 9) | range(50, 99)}}));
    EXPECT_THAT(book_.take(), ElementsAre("0 cluster lets go 10-49", "0 work lets go 10-49"));
    duties_.on_view(view_of({{node("a"), range(0, 9) | range(50, 99)}}));
    EXPECT_THAT(book_.take(), IsEmpty());
}

TEST_F(ClusterDuties, HandsOverInSlicesOneAfterTheOther) {
    begin();
    own(all_shards());
    work_.busy = range(3, 3);
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 69)));
    EXPECT_THAT(book_.take(), ElementsAre("0 cluster lets go 0-31", "0 work lets go 0-31, saved"));
    run_for(59ms);
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 69)));
    EXPECT_THAT(book_.take(), IsEmpty());
    work_.busy.reset();
    run_for(1ms);
    EXPECT_THAT(book_.take(), ElementsAre("60 hand_over 0-31"));
    run_for(100ms);
    EXPECT_THAT(
        book_.take(), ElementsAre(
                          "80 cluster lets go 32-63", "80 work lets go 32-63, saved", "80 hand_over 32-63",
                          "100 cluster lets go 64-69", "100 work lets go 64-69, saved", "100 hand_over 64-69"));
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 69))); // not seen by the cluster yet
    run_for(100ms);
    EXPECT_THAT(book_.take(), IsEmpty());
}

TEST_F(ClusterDuties, WhatIsWantedAgainIsKept) {
    begin();
    own(all_shards());
    work_.busy = range(0, 0);
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 63)));
    duties_.on_view(view_of({{node("a"), all_shards()}}));
    work_.busy.reset();
    run_for(100ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("20 hand_over 0-31")) << "which had begun";
}

TEST_F(ClusterDuties, ASliceThatNeverEndsIsHandedOverAfter30Seconds) {
    begin();
    own(range(0, 9));
    work_.busy = all_shards();
    duties_.on_view(view_of({{node("a"), range(0, 9)}}, range(0, 4)));
    run_with_news(29'980ms);
    EXPECT_THAT(book_.take("hand_over"), IsEmpty());
    run_with_news(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("30000 hand_over 0-4"));
}

TEST_F(ClusterDuties, ADeliveryThatMayTakeLongerIsWaitedForAsLong) {
    begin();
    own(range(0, 9));
    config_.callbacks.emplace_back();
    config_.callbacks.back().timeout = 60s;
    work_.busy = all_shards();
    duties_.on_view(view_of({{node("a"), range(0, 9)}}, range(0, 4)));
    run_with_news(64'980ms);
    EXPECT_THAT(book_.take("hand_over"), IsEmpty());
    run_with_news(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("65000 hand_over 0-4"));
}

TEST_F(ClusterDuties, AShardWhoseReceiverHangsKeepsTheOthersOfItsSliceForAMomentOnly) {
    begin();
    own(all_shards());
    work_.busy = range(3, 4);
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 39)));
    book_.take();
    run_for(249ms);
    EXPECT_THAT(book_.take("hand_over"), IsEmpty());
    work_.busy = range(3, 3);
    run_for(11ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("260 hand_over 0-2 4-31"));
    run_for(100ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("280 hand_over 32-39")) << "the next slice does not wait for it";
    work_.busy.reset();
    run_for(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("380 hand_over 3"));
}

TEST_F(ClusterDuties, ASliceWaitsForItsSavesAndTheNextOneBeginsThen) {
    begin();
    own(all_shards());
    work_.saving = true;
    duties_.on_view(view_of({{node("a"), all_shards()}}, range(0, 39)));
    book_.take();
    run_for(400ms);
    EXPECT_THAT(book_.take(), IsEmpty());
    work_.saving = false;
    run_for(20ms);
    EXPECT_THAT(book_.take(), ElementsAre("420 hand_over 0-31"));
    run_for(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("440 hand_over 32-39"));
}

TEST_F(ClusterDuties, ASliceThatSomebodyHasTakenIsForgotten) {
    begin();
    own(range(0, 9));
    work_.busy = range(0, 9);
    duties_.on_view(view_of({{node("a"), range(0, 9)}}, range(0, 4)));
    duties_.on_view(view_of({{node("a"), range(3, 9)}}, range(3, 4)));
    work_.busy.reset();
    run_for(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("20 hand_over 3-4"));
}

TEST_F(ClusterDuties, WhatWentAndCameBackIsTakenUpAnew) {
    begin();
    own(range(0, 9));
    work_.busy = range(0, 9);
    duties_.on_view(view_of({{node("a"), range(0, 9)}}, range(0, 4)));
    book_.take();
    duties_.on_gained(range(3, 6), shard_gain::taken_over, 9s);
    EXPECT_THAT(
        book_.take(), ElementsAre("0 cluster lets go 5-6", "0 work lets go 5-6", "0 hold 3-6", "0 take_up 3-6"));
    work_.busy.reset();
    run_for(20ms);
    EXPECT_THAT(book_.take("hand_over"), ElementsAre("20 hand_over 0-2")) << "which had been let go before";
}

TEST_F(ClusterDuties, TheLimitsAreDividedWhenTheNumberOfNodesChanges) {
    begin();
    duties_.on_view(view_of({{node("a"), {}}}));
    EXPECT_THAT(book_.take("share"), IsEmpty());
    const auto three = view_of({{node("a"), {}}, {node("b"), {}}, {node("c"), {}}, {node("d", node_state::gone), {}}});
    duties_.on_view(three);
    duties_.on_view(three);
    duties_.on_view(view_of({{node("a"), {}}}));
    EXPECT_THAT(book_.take("share"), ElementsAre("0 share among 3", "0 share among 1"));
}

TEST_F(ClusterDuties, TellsWhoComesAndGoes) {
    begin();
    const auto told = [&](log_event_id event) {
        std::vector<std::string> lines;
        for (const auto& line : log_.of(event))
            lines.push_back(line.at("node") + " " + line.at("nodes") + " " + line.at("shards"));
        log_.clear();
        return lines;
    };
    duties_.on_view(view_of({{node("a"), range(0, 1)}, {node("b"), {}}, {node("d", node_state::gone), {}}}));
    EXPECT_THAT(told(log_event_id::cluster_joined), ElementsAre("a 2 2")) << "itself, the others by their number";
    duties_.on_view(view_of({{node("a"), range(0, 1)}, {node("b"), {}}, {node("c"), range(2, 4)}, {node("d"), {}}}));
    EXPECT_THAT(told(log_event_id::cluster_joined), ElementsAre("c 4 3", "d 4 0"));
    duties_.on_view(
        view_of({{node("a"), {}}, {node("b", node_state::leaving), {}}, {node("c", node_state::gone), {}}}));
    EXPECT_THAT(told(log_event_id::cluster_left), ElementsAre("c 1 ", "d 1 ")) << "one is not even listed any more";
    duties_.on_view(view_of({{node("a"), {}}, {node("b", node_state::gone), {}}, {node("c", node_state::gone), {}}}));
    EXPECT_THAT(told(log_event_id::cluster_left), ElementsAre("b 1 "));
    duties_.on_view(view_of({{node("a"), {}}, {node("c"), {}}}));
    EXPECT_THAT(told(log_event_id::cluster_joined), ElementsAre("c 2 0"));
    EXPECT_TRUE(log_.lines().empty());
}

TEST_F(ClusterDuties, IsIdleWhenTheLeaseHasRunOut) {
    begin();
    EXPECT_EQ(duties_.why_idle(), "");
    duties_.on_lease(clock_.since_boot() + 3s);
    EXPECT_THAT(book_.take(), ElementsAre("0 trust for 3000"));
    clock_.run_for(2'999ms);
    EXPECT_EQ(duties_.why_idle(), "");
    clock_.run_for(1ms);
    EXPECT_THAT(duties_.why_idle(), HasSubstr("lease has run out"));
    duties_.on_lease(clock_.since_boot() + 1ms);
    EXPECT_EQ(duties_.why_idle(), "");
    duties_.on_lease(clock_.since_boot() + 3s);
    clock_.suspend(30s);
    EXPECT_THAT(duties_.why_idle(), HasSubstr("lease has run out")) << "the machine slept";
}

TEST_F(ClusterDuties, ShowsItsNumbers) {
    begin();
    duties_.on_gained(range(0, 9), shard_gain::unowned, 0ms);
    duties_.on_view(view_of(
        {{node("a"), range(0, 9)},
         {node("b"), range(10, 99)},
         {node("c", node_state::leaving), range(100, 199)},
         {node("d", node_state::gone), {}}}));
    duties_.on_lease(clock_.since_boot() + 3s);
    clock_.run_for(500ms);
    duties_.report();
    for (const char* const line :
         {"prooftrackd_cluster_shards 10\n", "prooftrackd_cluster_nodes{state=\"living\"} 2\n",
          "prooftrackd_cluster_nodes{state=\"leaving\"} 1\n", "prooftrackd_cluster_nodes{state=\"gone\"} 1\n",
          "prooftrackd_cluster_unowned_shards 56\n", "prooftrackd_cluster_takeovers_total 0\n",
          "prooftrackd_lease_remaining_seconds 2.5\n"})
        EXPECT_THAT(counts_.serialize(), HasSubstr(line));
    EXPECT_EQ(duties_.owner_of(10), "b");
    EXPECT_EQ(duties_.owner_of(200), "");
    clock_.run_for(5s);
    duties_.report();
    EXPECT_THAT(counts_.serialize(), HasSubstr("prooftrackd_lease_remaining_seconds 0\n"));
}

TEST_F(ClusterDuties, AFencedNodeDropsEverythingAtOnceAndJoinsAnew) {
    begin();
    own(range(0, 9));
    work_.busy = all_shards();
    duties_.on_view(view_of({{node("a"), range(0, 9)}}, range(0, 3)));
    duties_.on_gained(range(20, 29), shard_gain::handed_over, 0ms);
    duties_.on_lease(clock_.since_boot() + 3s);
    log_.clear();
    book_.take();
    duties_.on_fenced("no heartbeat came for 4 s");
    EXPECT_THAT(book_.take(), ElementsAre("0 trust for -1", "0 cluster lets go 0-255", "0 work lets go 0-255"));
    const auto lines = log_.of(log_event_id::cluster_fenced);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(lines[0].at("node"), "a");
    EXPECT_EQ(lines[0].at("error"), "no heartbeat came for 4 s");
    EXPECT_THAT(duties_.why_idle(), HasSubstr("took this one for gone"));
    chunk({row("t1", 20)});
    end_taking(1U);
    work_.busy.reset();
    run_for(100ms);
    EXPECT_THAT(book_.take(), IsEmpty()) << "nothing of before comes through";

    duties_.on_lease(clock_.since_boot() + 3s);
    duties_.on_gained(range(0, 9), shard_gain::taken_over, 4s);
    duties_.on_view(view_of({{node("a"), range(0, 9)}}));
    EXPECT_EQ(duties_.why_idle(), "");
    EXPECT_EQ(log_.count(log_event_id::cluster_joined), 1U);
    EXPECT_THAT(book_.take(), ElementsAre("100 trust for 3000", "100 controls", "100 hold 0-9", "100 take_up 0-9"))
        << "a pause may have been set meanwhile, and its mail pruned";
    duties_.on_gained(range(10, 19), shard_gain::unowned, 0ms);
    EXPECT_THAT(book_.take("controls"), IsEmpty()) << "once";
}

TEST_F(ClusterDuties, AStopHandsOverEachSliceAsSoonAsItIsFree) {
    begin();
    own(range(0, 69));
    duties_.on_gained(range(70, 70), shard_gain::handed_over, 0ms); // and being taken up
    book_.take();
    work_.busy = range(32, 32) | range(70, 70);
    int stopped = 0;
    duties_.stop(10s, [&] { ++stopped; });
    EXPECT_THAT(
        book_.take(),
        ElementsAre("0 leave", "0 cluster lets go 0-31", "0 work lets go 0-31, saved", "0 hand_over 0-31"));
    duties_.on_gained(range(80, 80), shard_gain::handed_over, 0ms);
    EXPECT_THAT(book_.take(), ElementsAre("0 hand_over 80")) << "not for one that is leaving";
    run_for(20ms);
    EXPECT_THAT(book_.take(), ElementsAre("20 cluster lets go 32-63", "20 work lets go 32-63, saved"));
    work_.busy = range(70, 70);
    run_for(20ms);
    EXPECT_THAT(book_.take(), ElementsAre("40 hand_over 32-63"));
    duties_.on_view(view_of({{node("a", node_state::leaving), range(64, 70)}}, all_shards()));
    run_for(20ms);
    EXPECT_THAT(book_.take(), ElementsAre("60 cluster lets go 64-70", "60 work lets go 64-70, saved"));
    EXPECT_EQ(stopped, 0);
    work_.busy.reset();
    run_for(20ms);
    EXPECT_THAT(book_.take(), ElementsAre("80 hand_over 64-70"));
    EXPECT_EQ(stopped, 1);
    run_for(10s);
    EXPECT_EQ(stopped, 1);
    EXPECT_THAT(book_.take(), IsEmpty()) << "also no news are read";
}

TEST_F(ClusterDuties, AStopThatTakesTooLongHandsOverAllTheSame) {
    begin();
    own(range(0, 39));
    work_.busy = all_shards();
    duties_.on_view(view_of({{node("a"), range(0, 39)}}, range(0, 3)));
    int stopped = 0;
    duties_.stop(1s, [&] { ++stopped; });
    book_.take();
    run_for(999ms);
    EXPECT_THAT(
        book_.take(), ElementsAre(
                          "280 cluster lets go 4-31", "280 work lets go 4-31, saved", "500 cluster lets go 32-39",
                          "500 work lets go 32-39"))
        << "what is left in the middle goes at once";
    run_for(1ms);
    EXPECT_THAT(book_.take(), ElementsAre("1000 hand_over 0-3", "1000 hand_over 4-31", "1000 hand_over 32-39"));
    EXPECT_EQ(stopped, 1);
}

TEST_F(ClusterDuties, AStopSavesWhatMemoryAloneKnowsAlsoWhenNobodyStays) {
    begin();
    own(range(0, 9));
    duties_.on_view(view_of({{node("a"), range(0, 9)}, {node("b", node_state::leaving), range(10, 255)}}));
    book_.take();
    duties_.stop(1s, [] {});
    EXPECT_THAT(book_.take("work"), ElementsAre("0 work lets go 0-9, saved")) << "it is a clean stop all the same";
}

TEST_F(ClusterDuties, AStopEndsAtOnceWhereNothingIsHeld) {
    int stopped = 0;
    duties_.stop(1s, [&] { ++stopped; }); // the start had failed
    EXPECT_EQ(stopped, 1);
    EXPECT_THAT(book_.take(), IsEmpty());
}

TEST_F(ClusterDuties, AStopGivesBackWhatWasGainedTooEarly) {
    duties_.start([this] { is_ready_ = true; });
    duties_.on_gained(range(0, 9), shard_gain::unowned, 0ms);
    book_.take();
    int stopped = 0;
    duties_.stop(1s, [&] { ++stopped; });
    EXPECT_EQ(stopped, 1);
    EXPECT_THAT(book_.take(), ElementsAre("0 leave", "0 hand_over 0-9"));
    answer_news({});
    EXPECT_THAT(book_.take(), IsEmpty());
}

TEST_F(ClusterDuties, AFenceEndsAStop) {
    begin();
    own(range(0, 9));
    work_.busy = all_shards();
    int stopped = 0;
    duties_.stop(10s, [&] { ++stopped; });
    EXPECT_EQ(stopped, 0);
    duties_.on_fenced("gone");
    EXPECT_EQ(stopped, 1);
    EXPECT_THAT(book_.take("hand_over"), IsEmpty());
}

} // namespace
} // namespace prooftrack::engine
