// Properties of the rules under arbitrary histories (rapidcheck prints and shrinks what breaks one).

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "track/rate_control.hpp"
#include "track/transaction_rules.hpp"
#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::hours;

poll_answer arbitrary_answer() {
    poll_answer answer;
    answer.what = static_cast<reply_class>(*rc::gen::inRange(0, 10));
    if (answer.what == reply_class::good) {
        answer.status = *rc::gen::elementOf(std::vector<std::string>{
            "pending", "processing", "completed", "failed", "cancelled", "Completed", "on_hold"});
    }
    answer.error = "e";
    return answer;
}

RC_GTEST_PROP(TransactionRulesProperty, OnlyATerminalWordSettlesAndNoWordIsInvented, ()) {
    const poll_rules rules;
    tracking_facts facts;
    facts.tracked_at = wall_time(hours(1'000));
    facts.overdue_at = facts.tracked_at + hours(24);
    wall_time now = facts.tracked_at;
    std::set<std::string> said{""};
    std::size_t ends = 0;
    std::size_t overdue = 0;
    const int answers = *rc::gen::inRange(1, 60);
    for (int i = 0; i < answers && facts.state != tracking_state::abandoned; ++i) {
        now += milliseconds(*rc::gen::inRange(0, 40'000'000));
        if (const auto late = judge_overdue(facts, now)) {
            overdue += late->event ? 1 : 0;
            facts = late->facts;
        }
        const tracking_facts before = facts;
        const poll_answer answer = arbitrary_answer();
        if (answer.what == reply_class::good) said.insert(answer.status);
        const judgement verdict = judge_answer(facts, answer, now, static_cast<std::uint32_t>(i), rules);
        facts = verdict.facts;
        RC_ASSERT(said.contains(facts.status));
        if (verdict.event && is_final(*verdict.event)) {
            RC_ASSERT(answer.what == reply_class::good);
            RC_ASSERT(is_terminal(classify_status(answer.status)));
            RC_ASSERT(facts.status == answer.status);
            ends += *verdict.event == event_type::reversed ? 0 : 1;
        }
        if (before.state == tracking_state::settled) {
            RC_ASSERT(facts.state == tracking_state::settled);
            RC_ASSERT(is_terminal(classify_status(facts.status)));
            RC_ASSERT(facts.settled_at == before.settled_at);
        }
        if (verdict.event) RC_ASSERT(verdict.is_change);
        if (facts.state != before.state || facts.status != before.status) RC_ASSERT(verdict.is_change);
    }
    RC_ASSERT(ends <= 1U);
    RC_ASSERT(overdue <= 1U);
    RC_ASSERT((facts.state == tracking_state::settled) == (ends == 1U));
}

RC_GTEST_PROP(BackoffProperty, LiesBetweenItsBounds, ()) {
    const auto first = milliseconds(*rc::gen::inRange(1, 100'000));
    const auto longest = first + milliseconds(*rc::gen::inRange(0, 10'000'000));
    random_source random(*rc::gen::arbitrary<std::uint64_t>());
    const auto wait = draw_backoff({first, longest}, *rc::gen::arbitrary<std::uint32_t>(), random);
    RC_ASSERT(wait >= first);
    RC_ASSERT(wait <= longest);
}

RC_GTEST_PROP(RateControlProperty, NeverGivesMoreThanTheRateAndItsSmallBucket, ()) {
    rate_control rate;
    const auto ceiling = *rc::gen::inRange<std::uint32_t>(1, 5'000);
    rate.set_ceiling(ceiling);
    steady_time now(seconds(1'000));
    const steady_time begin = now;
    double taken = 0;
    const int steps = *rc::gen::inRange(1, 400);
    for (int i = 0; i < steps; ++i) {
        now += std::chrono::microseconds(*rc::gen::inRange(0, 20'000));
        while (rate.may_take(now)) {
            rate.take(now);
            ++taken;
        }
        RC_ASSERT(rate.next_token(now) > now);
        const double most =
            ceiling * std::chrono::duration<double>(now - begin).count() + std::max(1.0, ceiling * 0.02) + 1.0;
        RC_ASSERT(taken <= most);
    }
}

RC_GTEST_PROP(RateControlProperty, ASlowStartEndsAndNeverExceedsOneAndAHalfTimesTheDemand, ()) {
    rate_control rate;
    const double demand = *rc::gen::inRange(1, 100'000);
    steady_time now(seconds(1'000));
    rate.begin_slow_start(now, demand / 8, demand / 2);
    for (int i = 0; i < 600 && rate.is_ramping(); ++i) {
        now += milliseconds(100);
        rate.grow(now, demand, false);
        if (rate.rate()) RC_ASSERT(*rate.rate() <= std::max(1.0, demand * 1.5) + 1e-6);
    }
    RC_ASSERT(!rate.is_ramping());
}

/// The schedule against a model that keeps each id's due time in a list and looks through all of it.
RC_GTEST_PROP(ScheduleProperty, AgreesWithANaiveModel, ()) {
    tracker_fixture world;
    struct known {
        std::string id;
        wall_time due;
    };
    std::vector<known> model;
    const int count = *rc::gen::inRange(1, 30);
    for (int i = 0; i < count; ++i) {
        const std::string id = "id-" + std::to_string(i);
        world.track(id);
        model.push_back({id, *world.core.live(*world.core.find(id), world.now).next_poll_at});
    }
    const int polls = *rc::gen::inRange(1, 150);
    for (int i = 0; i < polls; ++i) {
        const auto poll = world.wait_for_poll();
        RC_ASSERT(poll.has_value());
        const auto asked =
            std::find_if(model.begin(), model.end(), [&](const known& one) { return one.id == poll->ticket.id; });
        RC_ASSERT(asked != model.end());
        RC_ASSERT(asked->due <= world.now.wall + milliseconds(1));
        for (const known& other : model)
            RC_ASSERT(asked->due <= other.due + milliseconds(1)); // the longest due goes first
        world.answer(*poll, reply_class::unchanged);
        asked->due = *world.core.live(*world.core.find(asked->id), world.now).next_poll_at;
        RC_ASSERT(asked->due - world.now.wall >= milliseconds(5'000));
        RC_ASSERT(asked->due - world.now.wall <= milliseconds(10'000));
    }
}

} // namespace
} // namespace prooftrack::track
