// A 429 that another daemon was answered: the same pause and the same slow start as after one of our own.

#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view told_detail = "another node was answered 429";

/// A health with a clock of its own.
struct told_bench {
    proof_health health{30s};
    instant now{steady_time(1h), wall_time(1'775'044'800'000ms)};

    void pass(milliseconds span) {
        now.steady += span;
        now.wall += span;
    }
    health_effect tell(milliseconds pause) { return health.on_throttled_elsewhere(pause, now); }
    health_effect answer(reply_class what) {
        poll_answer reply;
        reply.error = "why";
        answer_context context;
        context.started = now.steady;
        context.is_probe = true;
        context.is_evidence = true;
        context.concerns_all = true;
        return health.on_answer(reply, what, context, now);
    }
    poll_permit permit() const { return health.permit(now.steady); }
    std::optional<steady_duration> wait() const {
        const auto next = health.next_permit(now.steady);
        return next ? std::optional(*next - now.steady) : std::nullopt;
    }
};

TEST(ToldPause, IsKeptLikeAnOwnOne) {
    told_bench bench;
    const health_effect effect = bench.tell(7s);
    EXPECT_TRUE(effect.is_change && effect.begins_slow_start);
    EXPECT_FALSE(effect.wants_token);
    EXPECT_EQ(bench.health.kind(), health_kind::throttled);
    EXPECT_EQ(bench.health.since(), bench.now.wall);
    EXPECT_EQ(bench.health.detail(), told_detail);
    EXPECT_EQ(bench.health.standing(), told_detail);
    EXPECT_EQ(bench.wait(), 7s);
    bench.pass(7s - 1ms);
    EXPECT_EQ(bench.permit(), poll_permit::none);
    bench.pass(1ms);
    EXPECT_EQ(bench.permit(), poll_permit::free);
    EXPECT_TRUE(bench.health.on_full_speed(bench.now.wall));
    EXPECT_EQ(bench.health.kind(), health_kind::ok);
}

TEST(ToldPause, OnlyALongerOneChangesAnything) {
    told_bench bench;
    bench.tell(7s);
    for (const milliseconds pause : {-1ms, 0ms, 1ms, 6'999ms, 7'000ms}) {
        const health_effect effect = bench.tell(pause);
        EXPECT_FALSE(effect.is_change || effect.begins_slow_start) << pause.count();
        EXPECT_EQ(bench.wait(), 7s) << pause.count();
    }
    const health_effect effect = bench.tell(7'001ms);
    EXPECT_FALSE(effect.is_change || effect.begins_slow_start) << "the slow start is still to come";
    EXPECT_EQ(bench.wait(), 7'001ms);
    bench.pass(7'001ms);
    EXPECT_TRUE(bench.tell(1s).begins_slow_start) << "a new one, during the slow start";
    EXPECT_EQ(bench.wait(), 1s);
}

TEST(ToldPause, ThatIsOverIsNone) {
    told_bench bench;
    for (const milliseconds pause : {-1ms, 0ms}) {
        EXPECT_FALSE(bench.tell(pause).is_change);
        EXPECT_EQ(bench.health.kind(), health_kind::ok);
        EXPECT_EQ(bench.permit(), poll_permit::free);
    }
}

TEST(ToldPause, LastsAtMostAQuarterOfAnHour) {
    for (const milliseconds pause : {milliseconds(15min), milliseconds(15min) + 1ms, milliseconds::max()}) {
        told_bench bench;
        bench.tell(pause);
        EXPECT_EQ(bench.wait(), 15min);
    }
}

TEST(ToldPause, IsOneOfThoseThatDouble) {
    told_bench bench;
    bench.tell(1s);
    bench.tell(2s); // of the same wave
    bench.pass(2s);
    bench.answer(reply_class::throttled);
    EXPECT_EQ(bench.wait(), 2s);
    bench.pass(2s);
    bench.health.on_full_speed(bench.now.wall);
    bench.answer(reply_class::throttled);
    EXPECT_EQ(bench.wait(), 1s);
}

TEST(ToldPause, MakesAnOwnOneLongerAndKeepsItsReason) {
    told_bench bench;
    bench.answer(reply_class::throttled);
    EXPECT_FALSE(bench.tell(9s).is_change);
    EXPECT_EQ(bench.wait(), 9s);
    EXPECT_EQ(bench.health.detail(), "why");
}

TEST(ToldPause, IsNoEndOfAnOutageButItsProbesWait) {
    for (const auto what : {reply_class::no_reply, reply_class::unauthorized, reply_class::forbidden}) {
        told_bench bench;
        bench.answer(what);
        const health_kind kind = bench.health.kind();
        const health_effect effect = bench.tell(1min);
        EXPECT_FALSE(effect.is_change || effect.begins_slow_start);
        EXPECT_EQ(bench.health.kind(), kind);
        EXPECT_EQ(bench.wait(), 1min);
        bench.pass(1min);
        EXPECT_EQ(bench.permit(), poll_permit::probe);
        bench.answer(reply_class::good);
        EXPECT_EQ(bench.health.kind(), health_kind::ok);
    }
}

TEST(ToldPause, OutlastsAnOutage) {
    told_bench bench;
    bench.answer(reply_class::no_reply);
    bench.tell(1min);
    bench.pass(20s);
    const health_effect effect = bench.answer(reply_class::good); // one that was in flight
    EXPECT_TRUE(effect.is_change && effect.begins_slow_start);
    EXPECT_EQ(bench.health.kind(), health_kind::throttled);
    EXPECT_EQ(bench.health.detail(), told_detail);
    EXPECT_EQ(bench.wait(), 40s);
}

/// 5 s from start to start, without chance.
class ThrottledElsewhere : public testing::Test {
  protected:
    static tracker_options options(std::uint32_t max_rate = 0) {
        tracker_options made;
        made.rules.interval = {5s, 5s};
        made.max_rate = max_rate;
        return made;
    }
    /// All of them were polled and answered.
    static void see(tracker_fixture& world, std::size_t count) {
        std::vector<active_transaction> rows;
        for (std::size_t i = 0; i < count; ++i) {
            rows.push_back(world.make("id-" + std::to_string(i)));
            rows.back().facts.last_polled_at = world.now.wall;
        }
        world.load(std::move(rows));
        for (std::set<std::string> seen; seen.size() < count;) {
            const auto poll = world.wait_for_poll();
            seen.insert(poll->ticket.id);
            world.answer(*poll, reply_class::unchanged);
        }
    }
    /// When the next polls start from now on; each is answered at once.
    static std::vector<milliseconds> next_polls(tracker_fixture& world, milliseconds within) {
        const steady_time begin = world.now.steady;
        std::vector<milliseconds> times;
        while (const auto poll = world.wait_for_poll(begin + within - world.now.steady)) {
            times.push_back(std::chrono::duration_cast<milliseconds>(world.now.steady - begin));
            world.answer(*poll, reply_class::unchanged);
        }
        return times;
    }
};

TEST_F(ThrottledElsewhere, NothingIsPolledUntilTheEndOfThePause) {
    tracker_fixture world(options());
    world.track("a");
    world.answer(*world.wait_for_poll(), reply_class::good, "pending");
    world.recorded();
    world.pass(1s);
    world.step(throttled_elsewhere_event{7s});
    const steady_time told_at = world.now.steady;
    const auto change = world.only<health_action>();
    EXPECT_EQ(change.from, health_kind::ok);
    EXPECT_EQ(change.to, health_kind::throttled);
    EXPECT_EQ(change.pause, 7s);
    EXPECT_EQ(change.detail, told_detail);
    world.pass(1s);
    world.step(throttled_elsewhere_event{6s}); // told by a third one
    EXPECT_THAT(world.actions, IsEmpty());
    world.step(poll_wanted_event{*world.core.find("a")});
    EXPECT_FALSE(world.wait_for_poll(6s - 1ms));
    ASSERT_TRUE(world.wait_for_poll());
    EXPECT_EQ(world.now.steady - told_at, 7s);
}

TEST_F(ThrottledElsewhere, ThenPollsGrowAsAfterAnOwn429) {
    const auto polls_after = [](bool is_own) {
        tracker_fixture world(options());
        see(world, 1'000);
        const auto poll = world.wait_for_poll();
        poll_answer reply;
        reply.what = is_own ? reply_class::throttled : reply_class::unchanged;
        reply.error = "429";
        if (is_own) reply.retry_after = 7s;
        world.answer(*poll, reply);
        if (!is_own) world.step(throttled_elsewhere_event{7s});
        return next_polls(world, 9s);
    };
    const std::vector<milliseconds> told = polls_after(false);
    ASSERT_FALSE(told.empty());
    EXPECT_EQ(told.front(), 7s);
    EXPECT_LE(told.size(), 120U) << "an eighth of 200 a second, doubled after a second";
    EXPECT_EQ(told, polls_after(true));
}

TEST_F(ThrottledElsewhere, EachNodeGrowsWithinItsPartOfTheRate) {
    tracker_fixture world(options(40));
    see(world, 1'000); // 200 a second are wanted
    world.step(throttled_elsewhere_event{7s});
    const std::vector<milliseconds> times = next_polls(world, 8s);
    ASSERT_FALSE(times.empty());
    EXPECT_EQ(times.front(), 7s);
    EXPECT_LE(times.size(), 22U) << "half of 40 in the first second";
    EXPECT_THAT(next_polls(world, 60s), SizeIs(testing::Le(60 * 40U + 1)));
}

TEST_F(ThrottledElsewhere, EndsWhenTheDemandIsMetAgain) {
    tracker_fixture world(options());
    see(world, 100);
    world.step(throttled_elsewhere_event{1s});
    for (int i = 0; i < 2'000 && world.core.health().kind() != health_kind::ok; ++i) {
        world.actions.clear();
        const auto poll = world.wait_for_poll();
        ASSERT_TRUE(poll);
        if (world.core.health().kind() == health_kind::ok) {
            EXPECT_EQ(world.only<health_action>().to, health_kind::ok);
        }
        world.answer(*poll, reply_class::unchanged);
    }
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
}

} // namespace
} // namespace prooftrack::track
