// Deadlines hold by time that can be vouched for: what the wall clock says wrongly ends nobody, and is mended.

#include <map>
#include <set>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;

/// What is stored, and the true time; both outlive a life of the daemon.
struct clock_disk {
    std::map<std::string, active_transaction> rows;
    wall_time truth{hours(490'000)};
};

/// One life of the core beside a wall clock that may be wrong. Every reply has the true `Date`, unless told otherwise.
class clock_life : public tracker_fixture {
  public:
    clock_life(clock_disk& disk, milliseconds wrong, tracker_options options = {})
        : tracker_fixture(std::move(options)), disk_(disk), wrong_(wrong) {
        now.wall = disk.truth + wrong;
        std::vector<active_transaction> rows;
        for (const auto& [id, row] : disk.rows) {
            if (row.facts.watched) rows.push_back(row);
        }
        core.step(loaded_event{std::move(rows)}, now, actions);
        core.step(started_event{}, now, actions);
        keep();
    }

    std::map<std::string, reply_class> replies; ///< good with `pending` unless it stands here
    std::map<std::string, std::string> words;
    milliseconds date_off{0};
    bool has_date = true;
    bool is_away = false;
    std::map<std::string, std::set<tracking_state>> entered;
    std::map<std::string, wall_time> entered_at; ///< true time of the last state
    std::map<std::string, int> polls;

    void track_now(const std::string& id) {
        const active_transaction row = make(id);
        disk_.rows.insert_or_assign(id, row);
        core.step(tracked_event{row, false}, now, actions);
        keep();
    }
    /// The wall clock is set.
    void set_clock(milliseconds by) {
        wrong_ += by;
        now.wall += by;
        core.step(clock_jumped_event{by}, now, actions);
        keep();
    }
    void run(steady_duration span) {
        const steady_time end = now.steady + span;
        while (true) {
            while (const auto poll = core.next_poll(now)) reply_to(*poll);
            auto next = std::min(core.next_wake(now).value_or(end), now.steady + minutes(1));
            if (next > end) next = end;
            const auto by = std::chrono::ceil<milliseconds>(next - now.steady);
            pass(by);
            disk_.truth += by;
            core.step(woken_event{}, now, actions);
            keep();
            if (now.steady >= end) return;
        }
    }
    bool has_entered(const std::string& id, tracking_state state) { return entered[id].contains(state); }
    tracking_facts facts(const std::string& id) { return core.live(*core.find(id), now).facts; }
    milliseconds stored_age(const std::string& id) const { return disk_.truth - disk_.rows.at(id).facts.tracked_at; }
    milliseconds wrong() const { return wrong_; }

  private:
    void reply_to(const started_poll& poll) {
        ++polls[poll.ticket.id];
        poll_answer reply;
        const auto special = replies.find(poll.ticket.id);
        reply.what = special == replies.end() ? reply_class::good : special->second;
        if (is_away) reply.what = reply_class::no_reply;
        if (reply.what == reply_class::good) {
            reply.http_status = 200;
            reply.status = words.contains(poll.ticket.id) ? words.at(poll.ticket.id) : "pending";
            reply.body_hash = std::hash<std::string>{}(reply.status) | 1U;
            if (reply.body_hash == poll.ticket.known_body) reply.what = reply_class::unchanged;
        }
        if (reply.what == reply_class::not_found) reply.http_status = 404;
        if (has_date && reply.what != reply_class::no_reply)
            reply.server_date = std::chrono::floor<seconds>(disk_.truth + date_off);
        core.step(answered_event{poll.ticket, std::move(reply)}, now, actions);
        keep();
    }
    void keep() {
        while (!actions.empty()) {
            for (tracker_action& action : std::exchange(actions, {})) {
                const auto* change = std::get_if<change_action>(&action);
                if (change == nullptr) continue;
                active_transaction& row = disk_.rows.at(change->id.str());
                row.facts = change->facts;
                row.revision = row_revision{value_of(row.revision) + 1};
                if (change->facts.state != change->from_state) {
                    entered[change->id.str()].insert(change->facts.state);
                    entered_at[change->id.str()] = disk_.truth;
                }
                core.step(durable(*change), now, actions);
            }
        }
    }

    clock_disk& disk_;
    milliseconds wrong_;
};

class Steps : public testing::TestWithParam<milliseconds> {};

TEST_P(Steps, OfTheClockOfALivingDaemonEndNobody) {
    for (const bool has_date : {true, false}) {
        for (const bool is_asked_before : {true, false}) {
            clock_disk disk;
            clock_life life(disk, -GetParam());
            life.has_date = has_date;
            life.track_now("a");
            life.replies["lost"] = reply_class::not_found;
            life.track_now("lost");
            if (is_asked_before) life.run(seconds(5));
            life.set_clock(GetParam()); // now it is right
            life.run(minutes(14));
            EXPECT_TRUE(life.entered["a"].empty());
            EXPECT_TRUE(life.entered["lost"].empty());
            life.run(minutes(2));
            EXPECT_TRUE(life.has_entered("lost", tracking_state::not_found)) << "a quarter of an hour is one";
            EXPECT_NEAR(static_cast<double>(life.stored_age("a").count()), 16 * 60'000.0, 35'000.0)
                << "the stored row is mended";
            life.set_clock(GetParam()); // and wrong again, by as much
            life.run(hours(23));
            EXPECT_TRUE(life.entered["a"].empty());
            life.set_clock(-GetParam());
            life.run(hours(1));
            EXPECT_TRUE(life.has_entered("a", tracking_state::overdue)) << "a day is a day";
            life.words["a"] = "completed";
            life.run(hours(1) + minutes(1));
            EXPECT_TRUE(life.has_entered("a", tracking_state::settled));
            EXPECT_FALSE(life.has_entered("a", tracking_state::abandoned));
        }
    }
}

TEST_P(Steps, BetweenTwoLivesEndNobody) {
    clock_disk disk;
    {
        clock_life life(disk, -GetParam());
        life.track_now("a");
        life.run(seconds(40)); // three Dates contradict the clock
    }
    EXPECT_LE(disk.truth - disk.rows.at("a").facts.tracked_at, seconds(42)) << "by Proof's time, if that is later";
    {
        clock_life life(disk, -GetParam()); // still wrong
        life.run(minutes(5));
        EXPECT_TRUE(life.entered["a"].empty());
    }
    clock_life life(disk, milliseconds(0)); // mended while nobody looked
    life.run(hours(23));
    EXPECT_TRUE(life.entered["a"].empty());
    life.run(hours(1) + minutes(1));
    EXPECT_TRUE(life.has_entered("a", tracking_state::overdue));
}

/// However early the daemon is killed, and whether or not Proof was there.
TEST_P(Steps, BetweenLivesThatEndAtAnyMomentEndNobody) {
    for (const milliseconds until : {milliseconds(0), milliseconds(50), milliseconds(6'000), milliseconds(13'000)}) {
        for (const bool is_away : {true, false}) {
            clock_disk disk;
            {
                clock_life life(disk, -GetParam());
                life.is_away = is_away;
                life.track_now("a");
                life.track_now("lost");
                life.replies["lost"] = reply_class::not_found;
                life.run(until);
            }
            disk.truth += seconds(20);
            clock_life life(disk, milliseconds(0));
            life.replies["lost"] = reply_class::not_found;
            life.run(minutes(14));
            EXPECT_TRUE(life.entered["a"].empty()) << until.count() << is_away;
            EXPECT_TRUE(life.entered["lost"].empty()) << until.count() << is_away;
            life.run(hours(23) + minutes(44));
            EXPECT_TRUE(life.entered["a"].empty()) << until.count() << is_away;
            life.run(minutes(10));
            EXPECT_TRUE(life.has_entered("a", tracking_state::overdue)) << until.count() << is_away;
        }
    }
}

/// A 404 that a life under a wrong clock saw first.
TEST_P(Steps, BetweenLivesLeaveTheGraceOfA404Alone) {
    for (const milliseconds until : {milliseconds(50), milliseconds(6'000), milliseconds(40'000)}) {
        clock_disk disk;
        {
            clock_life life(disk, milliseconds(0));
            life.track_now("lost");
            life.run(hours(10));
        }
        {
            clock_life life(disk, GetParam());
            life.replies["lost"] = reply_class::not_found;
            life.run(until);
        }
        clock_life life(disk, milliseconds(0));
        life.replies["lost"] = reply_class::not_found;
        life.run(minutes(14));
        EXPECT_TRUE(life.entered["lost"].empty()) << until.count();
        life.run(minutes(2));
        EXPECT_TRUE(life.has_entered("lost", tracking_state::not_found)) << until.count();
    }
}

/// Not of `tracking` alone: whatever a wrong clock wrote is as old as the daemon knows.
TEST_P(Steps, BetweenLivesGiveNobodyUpWhoWasRejected) {
    clock_disk disk;
    {
        clock_life life(disk, -GetParam());
        life.replies["bad"] = reply_class::bad_request;
        life.track_now("bad");
        while (life.polls["bad"] < 2) life.run(milliseconds(100));
        life.set_clock(hours(1)); // what two Dates said of the clock before counts no more
        while (life.polls["bad"] < 3) life.run(milliseconds(100));
        ASSERT_TRUE(life.has_entered("bad", tracking_state::rejected));
    }
    clock_life life(disk, milliseconds(0));
    life.replies["bad"] = reply_class::bad_request;
    life.run(hours(3));
    EXPECT_FALSE(life.has_entered("bad", tracking_state::abandoned));
    life.run(days(30));
    EXPECT_TRUE(life.has_entered("bad", tracking_state::abandoned));
}

TEST_P(Steps, OfAnHourUnderARestartEndNobodyAndAreForgotten) {
    clock_disk disk;
    {
        clock_life life(disk, milliseconds(0));
        for (const char* id : {"open", "paid", "lost"}) life.track_now(id);
        life.replies["lost"] = reply_class::not_found;
        life.words["paid"] = "failed";
        life.run(minutes(5));
    }
    {
        clock_life life(disk, GetParam()); // wrong from the start
        life.replies["lost"] = reply_class::not_found;
        life.words["paid"] = "failed";
        life.run(minutes(5));
        for (const char* id : {"open", "paid", "lost"}) EXPECT_TRUE(life.entered[id].empty()) << id;
        EXPECT_LE(life.polls["paid"], 4) << "until three Dates contradict the clock; then at its time";
        life.track_now("new");
        life.run(minutes(20));
        life.set_clock(-GetParam());
        life.run(minutes(1));
        EXPECT_TRUE(life.entered["new"].empty());
        const auto next = life.core.live(*life.core.find("paid"), life.now).next_poll_at;
        ASSERT_TRUE(next);
        EXPECT_LE(*next - life.now.wall, minutes(65));
        EXPECT_GE(*next - life.now.wall, minutes(30)) << "the second look is an hour after the end";
    }
    clock_life life(disk, milliseconds(0));
    life.words["paid"] = "failed";
    life.run(hours(22));
    EXPECT_TRUE(life.entered["open"].empty());
    EXPECT_TRUE(life.entered["new"].empty());
    life.run(hours(2));
    EXPECT_TRUE(life.has_entered("open", tracking_state::overdue));
    EXPECT_TRUE(life.has_entered("new", tracking_state::overdue));
}

TEST(Clock, OneThatMeetsOnlyErrorsIsAsOldAfterAKillAsBefore) {
    clock_disk disk;
    {
        clock_life life(disk, milliseconds(0));
        life.replies["sick"] = reply_class::server_error;
        life.track_now("well");
        life.track_now("sick");
        life.run(hours(10));
    }
    clock_life life(disk, milliseconds(0));
    life.replies["sick"] = reply_class::server_error;
    life.run(hours(13) + minutes(58));
    EXPECT_FALSE(life.has_entered("sick", tracking_state::overdue));
    life.run(minutes(5));
    EXPECT_TRUE(life.has_entered("sick", tracking_state::overdue));
}

INSTANTIATE_TEST_SUITE_P(
    Clock, Steps,
    testing::Values(
        hours(1), hours(-1), days(1), days(-1), days(30), days(-30), days(60), days(-60), days(400), days(-400)),
    [](const auto& one) {
        const auto h = std::chrono::duration_cast<hours>(one.param).count();
        return fmt::format("{}{}h", h < 0 ? "back" : "on", h < 0 ? -h : h);
    });

TEST(VouchedTime, AMachineThatBootsTwoMonthsBehindKeepsWhatItKnewBefore) {
    clock_disk disk;
    {
        clock_life life(disk, milliseconds(0));
        life.track_now("old");
        life.run(hours(20));
    }
    clock_life life(disk, -days(60)); // no battery
    life.is_away = true;
    life.run(minutes(10));
    life.set_clock(days(60));
    life.is_away = false;
    life.run(hours(3));
    EXPECT_TRUE(life.entered["old"].empty());
    life.run(hours(1));
    EXPECT_TRUE(life.has_entered("old", tracking_state::overdue)) << "its day began before the boot";
}

TEST(VouchedTime, ARowFromAClockThatWasAheadBeginsAnew) {
    clock_disk disk;
    {
        clock_life life(disk, days(365));
        life.has_date = false; // and nobody knew it
        for (const char* id : {"open", "paid"}) life.track_now(id);
        life.words["paid"] = "failed";
        life.run(minutes(1));
    }
    clock_life life(disk, milliseconds(0));
    life.words["paid"] = "failed";
    life.run(seconds(20));
    EXPECT_LE(life.facts("open").overdue_at, life.now.wall + hours(24));
    EXPECT_LE(disk.rows.at("open").facts.overdue_at, life.now.wall + hours(24)) << "stored as well";
    const auto next = life.core.live(*life.core.find("paid"), life.now).next_poll_at;
    ASSERT_TRUE(next);
    EXPECT_LE(*next - life.now.wall, minutes(10));
    life.run(hours(23));
    EXPECT_TRUE(life.entered["open"].empty());
    life.run(hours(1));
    EXPECT_TRUE(life.has_entered("open", tracking_state::overdue));
}

TEST(VouchedTime, WhatAWrongClockMadeOverdueIsAskedAsOftenAsTheOthers) {
    clock_disk disk;
    tracker_fixture maker;
    active_transaction row = maker.make("a");
    row.facts.tracked_at = disk.truth - hours(1);
    row.facts.overdue_at = disk.truth + hours(23);
    row.facts.state = tracking_state::overdue;
    row.facts.was_overdue = true;
    row.facts.status = "pending";
    row.facts.last_polled_at = disk.truth - minutes(61);
    disk.rows.emplace("a", row);
    clock_life life(disk, milliseconds(0));
    life.run(minutes(10));
    EXPECT_GE(life.polls["a"], 55);
    EXPECT_LE(life.polls["a"], 121);
    life.run(hours(23));
    life.polls.clear();
    life.run(hours(5));
    EXPECT_LE(life.polls["a"], 6) << "overdue in earnest";
}

TEST(VouchedTime, ADateThatIsWrongEndsNobody) {
    for (const milliseconds off : {milliseconds(days(60)), milliseconds(-days(60))}) {
        clock_disk disk;
        {
            clock_life life(disk, milliseconds(0));
            life.track_now("a");
            life.run(hours(1));
        }
        clock_life life(disk, milliseconds(0));
        life.date_off = off;
        life.run(minutes(10));
        life.track_now("b");
        life.run(hours(2));
        EXPECT_TRUE(life.entered["a"].empty());
        EXPECT_TRUE(life.entered["b"].empty());
        life.date_off = milliseconds(0);
        life.run(hours(2));
        EXPECT_TRUE(life.entered["a"].empty());
        EXPECT_TRUE(life.entered["b"].empty());
    }
}

TEST(VouchedTime, OldAgeCountsOnceTheClockIsVouchedForAndNotBefore) {
    clock_disk disk;
    {
        clock_life life(disk, milliseconds(0));
        life.track_now("a");
        life.run(seconds(10));
    }
    disk.truth += hours(25);
    clock_life life(disk, milliseconds(0));
    EXPECT_TRUE(life.entered["a"].empty());
    life.run(seconds(10));
    EXPECT_TRUE(life.has_entered("a", tracking_state::overdue));
    disk.truth += days(30);
    clock_life later(disk, milliseconds(0));
    later.has_date = false; // a Proof that sends none has nothing against the clock
    later.run(hours(2));
    EXPECT_TRUE(later.has_entered("a", tracking_state::abandoned));
}

TEST(VouchedTime, WhileProofIsAwayATimeThatThisLifeHasSeenIsCertain) {
    clock_disk disk;
    {
        clock_life life(disk, milliseconds(0));
        life.track_now("a");
        life.run(seconds(10));
    }
    disk.truth += days(3);
    clock_life life(disk, milliseconds(0));
    const wall_time loaded = disk.truth;
    life.is_away = true;
    life.run(hours(23));
    EXPECT_TRUE(life.entered["a"].empty());
    life.run(hours(2));
    EXPECT_TRUE(life.has_entered("a", tracking_state::overdue));
    EXPECT_EQ(life.entered_at["a"] - loaded, hours(24)) << "not with the next answer";
}

/// A page of a gateway, perhaps on this very machine, says nothing of Proof's clock.
TEST_P(Steps, UnderAGatewaysPagesEndNobody) {
    for (const reply_class page : {reply_class::server_error, reply_class::unusable, reply_class::throttled}) {
        for (const bool has_date : {true, false}) {
            clock_disk disk;
            {
                clock_life life(disk, milliseconds(0));
                life.track_now("a");
                life.run(minutes(1));
            }
            clock_life life(disk, GetParam());
            life.has_date = has_date;
            life.date_off = GetParam(); // as wrong as our own clock
            life.replies["a"] = page;
            life.run(seconds(30));
            life.has_date = true;
            life.date_off = milliseconds(0);
            life.replies.clear();
            life.run(minutes(3));
            EXPECT_TRUE(life.entered["a"].empty()) << to_string(page) << has_date;
        }
    }
}

/// With silence alone, and a clean stop: it became overdue, and is as young as the daemon knows.
TEST_P(Steps, BetweenLivesGiveNobodyUpWhoBecameOverdueInSilence) {
    clock_disk disk;
    {
        clock_life life(disk, GetParam());
        life.is_away = true;
        life.track_now("a");
        life.run(hours(25));
        ASSERT_TRUE(life.has_entered("a", tracking_state::overdue));
        for (const active_transaction& row : life.core.all(life.now)) disk.rows.insert_or_assign(row.id.str(), row);
    }
    clock_life life(disk, milliseconds(0));
    life.run(hours(2));
    EXPECT_FALSE(life.has_entered("a", tracking_state::abandoned));
}

TEST(VouchedTime, NothingIsPrunedByAClockThatNothingVouchesFor) {
    clock_disk disk;
    clock_life life(disk, days(200));
    EXPECT_EQ(life.core.time_to_prune_by(life.now), std::nullopt);
    life.track_now("a");
    life.run(minutes(1));
    ASSERT_TRUE(life.core.time_to_prune_by(life.now));
    EXPECT_LE(*life.core.time_to_prune_by(life.now), disk.truth + seconds(2));
    life.set_clock(-days(200));
    EXPECT_LE(*life.core.time_to_prune_by(life.now), disk.truth + seconds(2));
    clock_life idle(disk, milliseconds(0));
    idle.step(untracked_event{*idle.core.find("a")});
    idle.recorded();
    idle.run(days(1));
    EXPECT_EQ(idle.core.time_to_prune_by(idle.now), std::nullopt) << "nothing is asked, and nothing grows";
}

} // namespace
} // namespace prooftrack::track
