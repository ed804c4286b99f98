// A refusal or a failure of single ids stops nobody else; one of everybody is still seen, soon.

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::minutes;

constexpr steady_duration grain = milliseconds(120); ///< round trips, and polls that a slow start puts off

/// A Proof that answers each id as it is told to, on virtual time.
class refusing_world : public tracker_fixture {
  public:
    explicit refusing_world(tracker_options options = {}) : tracker_fixture(std::move(options)) {}

    std::function<reply_class(const std::string&)> proof = [](const std::string&) { return reply_class::good; };

    struct polls {
        std::uint64_t count = 0;
        steady_time first{};
        steady_time last{};
        steady_duration shortest = steady_duration::max();
        steady_duration longest{};
    };
    std::map<std::string, polls> seen;
    std::vector<health_action> health;
    std::vector<steady_time> health_at;
    std::vector<steady_time> starts;
    int rereads = 0;
    std::optional<steady_time> first_reread;

    void track_many(const std::string& prefix, int count) {
        for (int i = 0; i < count; ++i) {
            core.step(tracked_event{make(prefix + std::to_string(i)), false}, now, actions);
            keep_actions();
        }
    }

    void run(steady_duration span) {
        const steady_time end = now.steady + span;
        while (true) {
            while (auto poll = core.next_poll(now)) begin(*std::move(poll));
            auto next = core.next_wake(now).value_or(end);
            if (!in_flight_.empty()) next = std::min(next, in_flight_.begin()->first);
            next = std::min(next, last_tick_ + seconds(1));
            if (next > end) {
                pass(end - now.steady);
                return;
            }
            pass(std::max<steady_duration>(std::chrono::ceil<milliseconds>(next - now.steady), milliseconds(0)));
            if (now.steady >= last_tick_ + seconds(1)) last_tick_ = now.steady;
            core.step(woken_event{}, now, actions);
            keep_actions();
            while (!in_flight_.empty() && in_flight_.begin()->first <= now.steady) answer_first();
            if (++steps_ % 1'024 == 0) core.check_invariants();
        }
    }

    void begin_measuring() {
        seen.clear();
        health.clear();
        health_at.clear();
        starts.clear();
        rereads = 0;
        first_reread.reset();
    }
    bool was_unwell() const {
        return std::any_of(health.begin(), health.end(), [](const health_action& one) {
            return one.to != health_kind::ok && one.to != health_kind::throttled;
        });
    }
    /// When `kind` was seen first after `since`.
    std::optional<steady_duration> time_to(health_kind kind, steady_time since) const {
        for (std::size_t i = 0; i < health.size(); ++i) {
            if (health[i].to == kind && health_at[i] >= since) return health_at[i] - since;
        }
        return std::nullopt;
    }
    void expect_in_band(const std::string& prefix, int count, steady_duration span) {
        for (int i = 0; i < count; ++i) {
            const std::string id = prefix + std::to_string(i);
            ASSERT_TRUE(seen.contains(id)) << id;
            const polls& one = seen.at(id);
            EXPECT_GE(one.count, static_cast<std::uint64_t>(span / seconds(10)) - 1) << id;
            EXPECT_LE(one.longest, seconds(10) + grain) << id;
            EXPECT_GE(one.shortest, seconds(5)) << id;
        }
    }

  private:
    void begin(started_poll poll) {
        starts.push_back(now.steady);
        polls& one = seen[poll.ticket.id];
        if (one.count++ == 0) {
            one.first = now.steady;
        } else {
            one.longest = std::max(one.longest, now.steady - one.last);
            one.shortest = std::min(one.shortest, now.steady - one.last);
        }
        one.last = now.steady;
        const reply_class what = proof(poll.ticket.id);
        const milliseconds took = what == reply_class::no_reply ? milliseconds(10'000) : milliseconds(40);
        in_flight_.emplace(now.steady + took, std::pair(std::move(poll), what));
    }
    void answer_first() {
        const auto first = in_flight_.begin();
        const auto [poll, what] = std::move(first->second);
        in_flight_.erase(first);
        poll_answer reply;
        reply.what = what;
        reply.took = what == reply_class::no_reply ? milliseconds(10'000) : milliseconds(40);
        if (what == reply_class::good) {
            reply.status = "pending";
            reply.body_hash = 7;
            if (poll.ticket.known_body == 7) reply.what = reply_class::unchanged;
        } else {
            reply.error = fmt::format("{} of its own", to_string(what));
        }
        core.step(answered_event{poll.ticket, std::move(reply)}, now, actions);
        keep_actions();
    }
    void keep_actions() {
        while (!actions.empty()) {
            std::vector<tracker_action> some = std::exchange(actions, {});
            for (tracker_action& action : some) {
                if (auto* change = std::get_if<change_action>(&action)) {
                    core.step(durable(*change), now, actions);
                } else if (auto* changed = std::get_if<health_action>(&action)) {
                    health.push_back(*changed);
                    health_at.push_back(now.steady);
                } else if (std::holds_alternative<reread_token_action>(action)) {
                    ++rereads;
                    if (!first_reread) first_reread = now.steady;
                }
            }
        }
    }

    std::multimap<steady_time, std::pair<started_poll, reply_class>> in_flight_;
    steady_time last_tick_ = now.steady;
    std::uint64_t steps_ = 0;
};

bool is_poisoned(const std::string& id) { return id.starts_with("bad-"); }

struct poison {
    reply_class what;
    int bad;
    int good;
};

std::string name_of(const testing::TestParamInfo<poison>& info) {
    return fmt::format("{}_{}_of_{}", to_string(info.param.what), info.param.bad, info.param.bad + info.param.good);
}

class PoisonedIds : public testing::TestWithParam<poison> {
  public:
    reply_class answer(const std::string& id) const { return is_poisoned(id) ? GetParam().what : reply_class::good; }
    void expect_own_errors(refusing_world& world) const {
        const reply_class what = GetParam().what;
        if (what == reply_class::not_found || what == reply_class::bad_request) return; // they get states of their own
        for (int i = 0; i < GetParam().bad; ++i) {
            const auto slot = world.core.find("bad-" + std::to_string(i));
            ASSERT_TRUE(slot);
            const live_transaction live = world.core.live(*slot, world.now);
            EXPECT_GT(live.consecutive_errors, 2U);
            EXPECT_NE(live.last_error, "");
            EXPECT_LE(world.seen.at("bad-" + std::to_string(i)).count, 20U) << "it backs off";
        }
    }
};

TEST_P(PoisonedIds, LeaveTheOthersInTheirBandWhenTheyAreThereFromTheStart) {
    refusing_world world;
    world.proof = [this](const std::string& id) { return answer(id); };
    world.track_many("bad-", GetParam().bad);
    world.run(milliseconds(700));
    world.track_many("good-", GetParam().good);
    world.run(minutes(30));
    world.expect_in_band("good-", GetParam().good, minutes(30));
    EXPECT_FALSE(world.was_unwell());
    expect_own_errors(world);
}

TEST_P(PoisonedIds, LeaveTheOthersInTheirBandWhenTheyWereWellBefore) {
    refusing_world world;
    world.track_many("bad-", GetParam().bad);
    world.track_many("good-", GetParam().good);
    world.run(minutes(2));
    world.begin_measuring();
    world.proof = [this](const std::string& id) { return answer(id); };
    world.run(minutes(30));
    world.expect_in_band("good-", GetParam().good, minutes(30));
    EXPECT_FALSE(world.was_unwell());
    expect_own_errors(world);
}

TEST_P(PoisonedIds, LeaveTheOthersInTheirBandAfterARestart) {
    refusing_world world;
    world.proof = [this](const std::string& id) { return answer(id); };
    std::vector<active_transaction> rows;
    for (int i = 0; i < GetParam().bad; ++i) rows.push_back(world.make("bad-" + std::to_string(i)));
    for (int i = 0; i < GetParam().good; ++i) rows.push_back(world.make("good-" + std::to_string(i)));
    for (active_transaction& row : rows) row.facts.status = "pending";
    world.load(std::move(rows));
    world.actions.clear();
    world.run(minutes(30));
    world.expect_in_band("good-", GetParam().good, minutes(30));
    EXPECT_FALSE(world.was_unwell());
}

std::vector<poison> poisons() {
    std::vector<poison> all;
    for (const reply_class what :
         {reply_class::unauthorized, reply_class::forbidden, reply_class::server_error, reply_class::unusable,
          reply_class::no_reply, reply_class::bad_request, reply_class::not_found}) {
        for (const auto& [bad, good] :
             {std::pair(1, 1), std::pair(1, 59), std::pair(5, 2), std::pair(30, 30), std::pair(57, 3),
              std::pair(99, 1)})
            all.push_back({what, bad, good});
    }
    return all;
}
INSTANTIATE_TEST_SUITE_P(Track, PoisonedIds, testing::ValuesIn(poisons()), name_of);

class RefusedByAll : public testing::TestWithParam<int> {};

TEST_P(RefusedByAll, IsSeenWithinABandAndThenProbedAndEndsAsItBegan) {
    for (const reply_class what : {reply_class::unauthorized, reply_class::forbidden}) {
        const health_kind kind = what == reply_class::unauthorized ? health_kind::unauthorized : health_kind::forbidden;
        refusing_world world;
        world.track_many("id-", GetParam());
        world.run(minutes(1));
        EXPECT_FALSE(world.was_unwell());
        world.begin_measuring();
        const steady_time begin = world.now.steady;
        world.proof = [what](const std::string&) { return what; };
        world.run(seconds(22));
        const auto seen = world.time_to(kind, begin);
        ASSERT_TRUE(seen);
        EXPECT_LE(*seen, seconds(10) + grain);
        EXPECT_LE(world.starts.size(), static_cast<std::size_t>(GetParam()) * 2);
        if (what == reply_class::unauthorized) {
            EXPECT_EQ(world.rereads, 1);
            EXPECT_LE(*world.first_reread - world.starts.front(), milliseconds(41)) << "at the first 401";
        } else {
            EXPECT_EQ(world.rereads, 0);
        }
        world.begin_measuring();
        world.run(minutes(10));
        EXPECT_GE(world.starts.size(), 19U);
        EXPECT_LE(world.starts.size(), 21U) << "a probe each half minute";
        world.begin_measuring();
        const steady_time healed = world.now.steady;
        world.proof = [](const std::string&) { return reply_class::good; };
        world.run(minutes(2));
        const auto recovered = world.time_to(health_kind::ok, healed);
        ASSERT_TRUE(recovered);
        EXPECT_LE(*recovered, seconds(30) + grain);
        for (int i = 0; i < GetParam(); ++i) {
            const std::string id = "id-" + std::to_string(i);
            ASSERT_TRUE(world.seen.contains(id));
            EXPECT_LE(world.seen.at(id).first - healed, *recovered + seconds(15)) << id;
            EXPECT_EQ(world.core.live(*world.core.find(id), world.now).consecutive_errors, 0U);
        }
        // And once more: what the first time left behind hides nothing.
        world.begin_measuring();
        const steady_time again = world.now.steady;
        world.proof = [what](const std::string&) { return what; };
        world.run(seconds(22));
        ASSERT_TRUE(world.time_to(kind, again));
        EXPECT_LE(*world.time_to(kind, again), seconds(10) + grain);
    }
}

TEST_P(RefusedByAll, IsSeenAtTheStart) {
    refusing_world world;
    world.proof = [](const std::string&) { return reply_class::unauthorized; };
    std::vector<active_transaction> rows;
    for (int i = 0; i < GetParam(); ++i) rows.push_back(world.make("id-" + std::to_string(i)));
    world.load(std::move(rows));
    world.actions.clear();
    const steady_time begin = world.now.steady;
    world.run(seconds(20));
    const auto seen = world.time_to(health_kind::unauthorized, begin);
    ASSERT_TRUE(seen);
    EXPECT_LE(*seen, seconds(13));
}

TEST_P(RefusedByAll, IsSeenBesidePoisonedOnesAndItsEndToo) {
    refusing_world world;
    world.track_many("bad-", 40);
    world.track_many("id-", GetParam());
    world.proof = [](const std::string& id) { return is_poisoned(id) ? reply_class::forbidden : reply_class::good; };
    world.run(minutes(20));
    EXPECT_FALSE(world.was_unwell());
    world.begin_measuring();
    const steady_time begin = world.now.steady;
    world.proof = [](const std::string& id) {
        return is_poisoned(id) ? reply_class::forbidden : reply_class::unauthorized;
    };
    world.run(minutes(10));
    const auto seen = world.time_to(health_kind::unauthorized, begin);
    ASSERT_TRUE(seen);
    EXPECT_LE(*seen, seconds(10) + grain);
    EXPECT_FALSE(world.time_to(health_kind::forbidden, begin)) << "it is the token that is refused";
    const steady_time healed = world.now.steady;
    world.proof = [](const std::string& id) { return is_poisoned(id) ? reply_class::forbidden : reply_class::good; };
    world.run(minutes(2));
    ASSERT_TRUE(world.time_to(health_kind::ok, healed));
    EXPECT_LE(*world.time_to(health_kind::ok, healed), seconds(60)) << "not each probe is one of a poisoned id";
}

INSTANTIATE_TEST_SUITE_P(Track, RefusedByAll, testing::Values(1, 2, 3, 20, 60, 1'000, 6'000));

TEST(Refusals, AnIdThatCameDuringTheRefusalOfOthersIsAskedAtOnce) {
    refusing_world world;
    world.proof = [](const std::string& id) { return is_poisoned(id) ? reply_class::forbidden : reply_class::good; };
    world.track_many("bad-", 1'000);
    world.run(minutes(10));
    EXPECT_TRUE(world.was_unwell()) << "nobody gets a good answer";
    world.begin_measuring();
    const steady_time posted = world.now.steady;
    world.track_many("good-", 3);
    world.run(minutes(30));
    EXPECT_EQ(world.core.health().kind(), health_kind::ok);
    ASSERT_EQ(world.health.size(), 1U) << "once well, it stays so";
    EXPECT_LE(world.health_at.front() - posted, milliseconds(200));
    world.expect_in_band("good-", 3, minutes(30));
}

/// Those that are asked more rarely disprove an outage as well: nobody is left in the cadence.
class PoisonedAlone : public testing::TestWithParam<reply_class> {};

TEST_P(PoisonedAlone, DoesNotStopThoseOutOfTheCadence) {
    refusing_world world;
    active_transaction late = world.make("late");
    late.facts.state = tracking_state::overdue;
    late.facts.was_overdue = true;
    active_transaction paid = world.make("paid");
    paid.facts.state = tracking_state::settled;
    paid.facts.status = "failed";
    paid.facts.settled_at = world.now.wall;
    for (active_transaction* row : {&late, &paid}) row->facts.last_polled_at = world.now.wall;
    world.load({late, paid});
    world.actions.clear();
    world.proof = [](const std::string& id) { return is_poisoned(id) ? GetParam() : reply_class::good; };
    world.track_many("bad-", 1);
    world.run(2 * tracker_options().rules.tail_interval + minutes(1));
    EXPECT_FALSE(world.was_unwell());
    EXPECT_GE(world.seen["late"].count, 2U);
    EXPECT_GE(world.seen["paid"].count, 1U);
}

INSTANTIATE_TEST_SUITE_P(
    Track, PoisonedAlone,
    testing::Values(
        reply_class::forbidden, reply_class::unauthorized, reply_class::server_error, reply_class::no_reply,
        reply_class::unusable),
    [](const auto& one) { return std::string(to_string(one.param)); });

TEST(Refusals, OfAllAreSeenAlsoWhenNobodyIsInTheCadence) {
    refusing_world world;
    std::vector<active_transaction> rows;
    for (int i = 0; i < 3; ++i) {
        rows.push_back(world.make("late-" + std::to_string(i)));
        rows.back().facts.state = tracking_state::overdue;
        rows.back().facts.last_polled_at = world.now.wall;
    }
    world.load(std::move(rows));
    world.actions.clear();
    world.proof = [](const std::string&) { return reply_class::forbidden; };
    world.run(tracker_options().rules.tail_interval + minutes(1));
    EXPECT_TRUE(world.was_unwell());
    world.proof = [](const std::string&) { return reply_class::good; };
    const steady_time healed = world.now.steady;
    world.run(minutes(2));
    ASSERT_TRUE(world.time_to(health_kind::ok, healed));
    EXPECT_LE(*world.time_to(health_kind::ok, healed), seconds(40));
}

TEST(Refusals, AMillionOfThemCannotUseUpTheFirstPolls) {
    refusing_world world;
    world.proof = [](const std::string& id) { return is_poisoned(id) ? reply_class::forbidden : reply_class::good; };
    world.track_many("good-", 3);
    world.run(minutes(1));
    world.begin_measuring();
    world.track_many("bad-", 5'000);
    world.run(minutes(10));
    world.expect_in_band("good-", 3, minutes(10));
    EXPECT_FALSE(world.was_unwell());
}

TEST(Refusals, OfASettledOneAreItsOwnErrorAsWell) {
    refusing_world world;
    active_transaction settled = world.make("bad-0");
    settled.facts.state = tracking_state::settled;
    settled.facts.status = "failed";
    settled.facts.tracked_at = world.now.wall - minutes(30);
    settled.facts.settled_at = world.now.wall - minutes(9);
    settled.facts.last_polled_at = settled.facts.settled_at;
    world.proof = [](const std::string& id) { return is_poisoned(id) ? reply_class::forbidden : reply_class::good; };
    world.load({settled});
    world.actions.clear();
    world.track_many("good-", 1);
    world.run(minutes(5));
    const live_transaction live = world.core.live(*world.core.find("bad-0"), world.now);
    EXPECT_GT(live.consecutive_errors, 0U);
    EXPECT_EQ(live.last_error, "forbidden of its own");
    EXPECT_FALSE(world.was_unwell());
}

TEST(Refusals, ADeniedTokenThatWasReplacedMeanwhileCountsAgainstNobody) {
    tracker_fixture world;
    world.track("a");
    world.track("b");
    const auto first = world.wait_for_poll();
    const auto second = world.wait_for_poll();
    world.answer(*first, reply_class::unauthorized);
    EXPECT_EQ(world.all<reread_token_action>().size(), 1U);
    world.pass(milliseconds(5));
    world.step(token_changed_event{});
    world.pass(milliseconds(5));
    poll_answer late;
    late.what = reply_class::unauthorized;
    late.took = milliseconds(10);
    world.answer(*second, late);
    EXPECT_TRUE(world.all<poll_error_action>().empty());
    EXPECT_TRUE(world.all<health_action>().empty());
    EXPECT_EQ(world.core.live(*world.core.find("b"), world.now).consecutive_errors, 0U);
}

} // namespace
} // namespace prooftrack::track
