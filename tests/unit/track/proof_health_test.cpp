// The one health of Proof by itself; health_test.cpp has what it does to the polls.

#include "track/proof_health.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

/// A health with a clock of its own.
struct health_bench {
    proof_health health{30s};
    instant now{steady_time(1h), wall_time(1'775'044'800'000ms)};

    void pass(milliseconds span) {
        now.steady += span;
        now.wall += span;
    }
    /// The answer of a poll that started so long ago.
    health_effect answer(reply_class what, steady_duration ago = 0s, std::optional<milliseconds> retry_after = {}) {
        poll_answer reply;
        reply.error = to_string(what);
        reply.retry_after = retry_after;
        answer_context context;
        context.started = now.steady - ago;
        return health.on_answer(reply, what, context, now);
    }
    /// A failure that makes it everybody's, or of a probe while it is.
    health_effect fail(reply_class what, bool is_evidence = true, bool is_probe = true, std::string error = "why") {
        poll_answer reply;
        reply.error = std::move(error);
        answer_context context;
        context.started = now.steady;
        context.is_probe = is_probe;
        context.is_evidence = is_evidence;
        context.concerns_all = true;
        return health.on_answer(reply, what, context, now);
    }
    poll_permit permit() const { return health.permit(now.steady); }
    std::optional<steady_duration> wait() const {
        const auto next = health.next_permit(now.steady);
        return next ? std::optional(*next - now.steady) : std::nullopt;
    }
};

TEST(ProofHealthAlone, IsWellAtTheStart) {
    health_bench bench;
    EXPECT_EQ(bench.permit(), poll_permit::free);
    EXPECT_EQ(bench.wait(), std::nullopt);
    EXPECT_FALSE(bench.answer(reply_class::good).is_change);
    EXPECT_FALSE(bench.answer(reply_class::good).begins_slow_start);
}

TEST(ProofHealthAlone, PausesOfItsOwnDoubleFromASecondToAMinute) {
    health_bench bench;
    const std::vector<milliseconds> pauses{1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s};
    for (const milliseconds pause : pauses) {
        const health_effect effect = bench.answer(reply_class::throttled);
        EXPECT_EQ(effect.is_change, pause == 1s);
        EXPECT_TRUE(effect.begins_slow_start);
        EXPECT_EQ(bench.permit(), poll_permit::none);
        EXPECT_EQ(bench.wait(), pause);
        bench.pass(pause - 1ms);
        EXPECT_EQ(bench.permit(), poll_permit::none);
        bench.pass(1ms);
        EXPECT_EQ(bench.permit(), poll_permit::free);
        EXPECT_EQ(bench.wait(), std::nullopt);
    }
    EXPECT_TRUE(bench.health.on_full_speed(bench.now.wall));
    EXPECT_EQ(bench.health.kind(), health_kind::ok);
    EXPECT_FALSE(bench.health.on_full_speed(bench.now.wall));
    bench.answer(reply_class::throttled);
    EXPECT_EQ(bench.wait(), 1s) << "from the beginning";
}

TEST(ProofHealthAlone, PollsThatWereUnderWayLengthenAPauseAndBeginNone) {
    health_bench bench;
    bench.answer(reply_class::throttled, 0s, 7s);
    EXPECT_FALSE(bench.answer(reply_class::throttled, 1s, 7s).begins_slow_start);
    EXPECT_EQ(bench.wait(), 7s);
    EXPECT_FALSE(bench.answer(reply_class::throttled, 1s, 5s).begins_slow_start);
    EXPECT_EQ(bench.wait(), 7s);
    EXPECT_FALSE(bench.answer(reply_class::throttled, 1s, 30s).begins_slow_start);
    EXPECT_EQ(bench.wait(), 30s);
    bench.pass(30s);
    EXPECT_TRUE(bench.answer(reply_class::throttled, 0s, 2s).begins_slow_start) << "asked after the pause";
    EXPECT_EQ(bench.wait(), 2s);
    bench.pass(2s);
    bench.answer(reply_class::throttled);
    EXPECT_EQ(bench.wait(), 1s) << "what Proof asked for doubles nothing";
}

TEST(ProofHealthAlone, ProbesComeMoreRarelyTheLongerAnOutageLasts) {
    health_bench bench;
    EXPECT_TRUE(bench.fail(reply_class::no_reply).is_change);
    EXPECT_EQ(bench.health.kind(), health_kind::unreachable);
    EXPECT_EQ(bench.health.since(), bench.now.wall);
    EXPECT_EQ(bench.wait(), 1s);
    bench.pass(1s - 1ms);
    EXPECT_EQ(bench.permit(), poll_permit::none);
    bench.pass(1ms);
    EXPECT_EQ(bench.permit(), poll_permit::probe);
    EXPECT_EQ(bench.wait(), std::nullopt);
    bench.health.on_probe_started();
    EXPECT_EQ(bench.permit(), poll_permit::none);
    EXPECT_EQ(bench.wait(), std::nullopt) << "only its answer changes that";
    const instant begun{bench.now.steady - 1s, bench.now.wall - 1s};
    using lasted = std::pair<milliseconds, milliseconds>;
    for (const auto& [outage, wait] :
         {lasted{15'999ms, 1s}, lasted{16s, 2s}, lasted{32s - 1ms, 2s}, lasted{32s, 4s}, lasted{128s, 16s},
          lasted{256s - 1ms, 16s}, lasted{256s, 30s}, lasted{24h, 30s}}) {
        bench.now = {begun.steady + outage, begun.wall + outage};
        bench.health.on_probe_started();
        bench.fail(reply_class::no_reply);
        EXPECT_EQ(bench.wait(), wait) << outage.count();
    }
}

TEST(ProofHealthAlone, ARefusalIsProbedByTheInterval) {
    for (const auto what : {reply_class::unauthorized, reply_class::forbidden}) {
        health_bench bench;
        bench.health.set_probe_interval(12s);
        EXPECT_TRUE(bench.fail(what).is_change);
        EXPECT_EQ(bench.wait(), 12s);
        bench.pass(12s);
        EXPECT_EQ(bench.permit(), poll_permit::probe);
        bench.health.on_probe_started();
        bench.pass(100ms);
        EXPECT_FALSE(bench.fail(what).is_change);
        EXPECT_EQ(bench.wait(), 12s);
        bench.pass(5s);
        bench.fail(what, true, false); // not the probe
        EXPECT_EQ(bench.wait(), 7s);
    }
    EXPECT_EQ(
        [] {
            health_bench bench;
            bench.fail(reply_class::forbidden);
            return bench.wait();
        }(),
        30s);
}

TEST(ProofHealthAlone, OneThatWasAskedBeforeTheChangeDoesNotUndoIt) {
    health_bench bench;
    bench.fail(reply_class::forbidden);
    bench.pass(1s);
    EXPECT_FALSE(bench.answer(reply_class::good, 1s + 1ms).is_change);
    EXPECT_FALSE(bench.answer(reply_class::throttled, 1s + 1ms).is_change);
    EXPECT_EQ(bench.health.kind(), health_kind::forbidden);
    const health_effect effect = bench.answer(reply_class::good, 1s);
    EXPECT_TRUE(effect.is_change && effect.begins_slow_start);
    EXPECT_EQ(bench.health.kind(), health_kind::ok);
    EXPECT_EQ(bench.health.pause_end(), bench.now.steady);
    EXPECT_EQ(bench.permit(), poll_permit::free);
}

TEST(ProofHealthAlone, WhatTheProbeMeetsIsTheKindButForSilence) {
    health_bench bench;
    bench.fail(reply_class::forbidden);
    EXPECT_FALSE(bench.fail(reply_class::no_reply).is_change) << "silence during a refusal is no new outage";
    EXPECT_FALSE(bench.fail(reply_class::unauthorized, true, false).is_change) << "not the probe";
    EXPECT_FALSE(bench.fail(reply_class::unauthorized, false, true).is_change) << "one that fails anyway";
    EXPECT_EQ(bench.health.kind(), health_kind::forbidden);
    EXPECT_TRUE(bench.fail(reply_class::unauthorized).is_change);
    EXPECT_EQ(bench.health.kind(), health_kind::unauthorized);
}

TEST(ProofHealthAlone, ItsDetailIsTheLastOneThatSaysSomething) {
    health_bench bench;
    bench.fail(reply_class::forbidden, true, false, "first");
    EXPECT_EQ(bench.health.detail(), "first");
    bench.fail(reply_class::forbidden, false, false, "always");
    EXPECT_EQ(bench.health.detail(), "first");
    bench.fail(reply_class::forbidden, true, false, "second");
    EXPECT_EQ(bench.health.detail(), "second");
    EXPECT_EQ(bench.health.standing(), "second");
    bench.answer(reply_class::good);
    EXPECT_EQ(bench.health.detail(), "");
    EXPECT_EQ(bench.health.standing(), "");
}

TEST(ProofHealthAlone, ANewTokenIsProbedAtOnceAfterA401Alone) {
    for (const auto what : {reply_class::unauthorized, reply_class::forbidden}) {
        health_bench bench;
        bench.fail(what);
        bench.pass(1s);
        bench.health.on_probe_started();
        bench.health.on_token_changed(bench.now.steady);
        EXPECT_EQ(bench.permit(), what == reply_class::unauthorized ? poll_permit::probe : poll_permit::none);
        EXPECT_TRUE(bench.health.is_stale_refusal(reply_class::unauthorized, bench.now.steady - 1ms));
        EXPECT_FALSE(bench.health.is_stale_refusal(reply_class::unauthorized, bench.now.steady));
        EXPECT_FALSE(bench.health.is_stale_refusal(reply_class::forbidden, bench.now.steady - 1ms));
        const health_effect old = bench.answer(reply_class::good, 1ms);
        EXPECT_EQ(old.is_change, what == reply_class::forbidden) << "an answer to the old token is none to the new one";
    }
}

TEST(ProofHealthAlone, AProbeThatWentWithTheOldTokenIsMadeAgainAtOnce) {
    health_bench bench;
    bench.fail(reply_class::forbidden);
    bench.pass(30s);
    bench.health.on_probe_started();
    bench.pass(1s);
    bench.health.on_token_changed(bench.now.steady);
    bench.pass(1s);
    poll_answer refusal;
    refusal.what = reply_class::unauthorized;
    answer_context context;
    context.started = bench.now.steady - 2s;
    bench.health.on_answer(refusal, refusal.what, context, bench.now);
    EXPECT_EQ(bench.permit(), poll_permit::none) << "the probe is still under way";
    context.is_probe = true;
    EXPECT_FALSE(bench.health.on_answer(refusal, refusal.what, context, bench.now).is_change);
    EXPECT_EQ(bench.permit(), poll_permit::probe);
}

} // namespace
} // namespace prooftrack::track
