// Replays: which events they are about, the order of what they make, and what a crash, a cancel and pruning leave.

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// Events 1 to 6, of "a", "b", "a", "b", "a", "b", at 10, 20 … 60 ms; those of "a" are owed to "old" (deliveries 1, 2
/// and 3).
class Replays : public store_contract {
  protected:
    void SetUp() override {
        world.add({make_new("a"), make_new("b")}).value();
        for (int i = 1; i <= 6; ++i) {
            const bool is_a = i % 2 == 1;
            const std::vector<std::string> callbacks =
                is_a ? std::vector<std::string>{"old"} : std::vector<std::string>{};
            world.record(make_settlement(is_a ? "a" : "b", i * 10, callbacks, i < 3 ? "failed" : "completed")).value();
        }
    }
    static track::replay_query everything(const std::string& callback) {
        track::replay_query query;
        query.callback = callback;
        query.types = {"transaction.completed", "transaction.failed"};
        return query;
    }
    static replay_step step_of(replay_id id, std::size_t most_made = 200, std::size_t most_pending = 512) {
        return {id, most_made, most_pending, at_ms(1000)};
    }
    /// Steps until nothing more is made.
    track::replay_view run(replay_id id) {
        for (int i = 0; i < 1000; ++i) {
            const replay_progress done = world.advance_replay(step_of(id)).value();
            if (done.replay.ended_at || done.replay.next >= *done.replay.query.before) return done.replay;
        }
        throw std::logic_error("a replay without an end");
    }
    std::uint64_t count(const track::replay_query& query) {
        return world.begin_replay(query, at_ms(900), true).value().events;
    }
    /// The seqs of what is owed to a callback, in the order of the deliveries, with their state.
    std::vector<std::string> owed(const std::string& callback) {
        std::map<std::string, std::uint64_t> seqs;
        for (const track::stored_event& each : world.events().events)
            seqs[each.body.substr(7, track::event_id_length)] = value_of(each.seq);
        track::delivery_query query;
        query.callback = callback;
        std::vector<std::string> found;
        for (const track::delivery_view& each : world.deliveries(query).deliveries) {
            found.insert(
                found.begin(), std::to_string(seqs.at(each.event_id)) + " " + std::string(to_string(each.state)));
        }
        return found;
    }
    std::optional<delivery_head> deliver(delivery_id id) {
        return world.attempt({id, at_ms(1100), 1, track::delivery_state::delivered, 200, "", std::nullopt});
    }
    /// Until nothing more goes, however slow the database is.
    std::uint64_t prune_all(const prune_request& request) {
        prune_result last = world.prune(request);
        std::uint64_t number = last.transactions;
        while (last.more) {
            last = world.prune(request);
            number += last.transactions;
        }
        return number;
    }
    std::vector<std::uint64_t> head_ids(const std::string& lane) {
        std::vector<std::uint64_t> ids;
        for (const delivery_head& each : world.heads(lane)) ids.push_back(value_of(each.id));
        return ids;
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Replays, every_store(), store_name);

TEST_P(Replays, GiveANewCallbackThePastInOrder) {
    const track::replay_view begun = world.begin_replay(everything("new"), at_ms(900)).value();
    EXPECT_EQ(begun.events, 6U);
    EXPECT_EQ(begun.made, 0U);
    EXPECT_EQ(begun.state, track::replay_state::running);
    EXPECT_EQ(begun.query.before, event_seq{7});
    const replay_progress made = world.advance_replay(step_of(begun.id)).value();
    EXPECT_EQ(made.made, 6U);
    EXPECT_EQ(made.replay.pending, 6U);
    ASSERT_EQ(made.heads.size(), 2U) << "one a transaction";
    EXPECT_EQ(made.heads[0].next_attempt_at, at_ms(1000));
    EXPECT_EQ(made.heads[0].lane, "new");
    EXPECT_TRUE(made.heads[0].is_replay);
    EXPECT_TRUE(world.heads("new").at(0).is_replay);
    EXPECT_THAT(owed("new"), ElementsAre("1 pending", "2 pending", "3 pending", "4 pending", "5 pending", "6 pending"));
    const auto next = deliver(made.heads[0].id);
    ASSERT_TRUE(next.has_value());
    EXPECT_TRUE(next->is_replay);
    EXPECT_EQ(world.load_delivery(value_of(next->id))->view.event_type, "transaction.completed");
    EXPECT_THAT(owed("old"), ElementsAre("1 pending", "3 pending", "5 pending")) << "another callback's";
}

TEST_P(Replays, AttemptsSendTheBytesOfTheEvent) {
    const replay_id id = world.begin_replay(everything("old"), at_ms(900)).value().id;
    track::replay_query all = everything("new");
    all.only_missing = false;
    const replay_id again = world.begin_replay(all, at_ms(900)).value().id;
    run(id);
    run(again);
    const delivery_record first = world.load_delivery(1).value();
    for (const delivery_head& each : world.heads("new")) {
        const delivery_record replayed = world.load_delivery(value_of(each.id)).value();
        if (replayed.view.event_id != first.view.event_id) continue;
        EXPECT_EQ(*replayed.body, *first.body);
        EXPECT_EQ(replayed.recorded_at, first.recorded_at);
        EXPECT_EQ(replayed.status, first.status);
        EXPECT_EQ(replayed.state, first.state);
        return;
    }
    FAIL() << "the first event of a is not owed again";
}

TEST_P(Replays, MissingIsWhatWasNeverOwedWhateverBecameOfIt) {
    EXPECT_EQ(count(everything("old")), 3U);
    deliver(delivery_id{1});
    world.attempt({delivery_id{2}, at_ms(1100), 1, track::delivery_state::dead, 500, "500", std::nullopt});
    EXPECT_EQ(count(everything("old")), 3U);
    track::replay_query all = everything("old");
    all.only_missing = false;
    EXPECT_EQ(count(all), 6U);
    run(world.begin_replay(everything("old"), at_ms(900)).value().id);
    EXPECT_EQ(count(everything("old")), 0U) << "a replay's own count as well";
    EXPECT_THAT(owed("old"), ElementsAre("1 delivered", "3 dead", "5 pending", "2 pending", "4 pending", "6 pending"));
}

TEST_P(Replays, RangesTimesAndTypesNarrow) {
    track::replay_query query = everything("new");
    query.after = event_seq{1};
    query.before = event_seq{6};
    EXPECT_EQ(count(query), 4U);
    query.since = at_ms(30);
    query.until = at_ms(50);
    EXPECT_EQ(count(query), 2U) << "30 and 40";
    query = everything("new");
    query.types = {"transaction.failed"};
    EXPECT_EQ(count(query), 2U);
    query.types = {};
    EXPECT_EQ(count(query), 0U);
    query = everything("new");
    query.after = event_seq{6};
    EXPECT_EQ(count(query), 0U);
    query.after = event_seq{1'000'000};
    EXPECT_EQ(count(query), 0U);
    query = everything("new");
    query.before = event_seq{1'000'000};
    const track::replay_view begun = world.begin_replay(query, at_ms(900)).value();
    EXPECT_EQ(begun.query.before, event_seq{7}) << "what is recorded later is owed as ever";
}

TEST_P(Replays, ADryRunMakesNothing) {
    const track::replay_view counted = world.begin_replay(everything("new"), at_ms(900), true).value();
    EXPECT_EQ(counted.events, 6U);
    EXPECT_EQ(counted.id, replay_id{});
    EXPECT_THAT(world.replays(), IsEmpty());
    EXPECT_THAT(owed("new"), IsEmpty());
}

TEST_P(Replays, WhatIsPendingOfATransactionGoesFirst) {
    track::replay_query all = everything("old");
    all.only_missing = false;
    const replay_id id = world.begin_replay(all, at_ms(900)).value().id;
    const replay_progress made = world.advance_replay(step_of(id)).value();
    ASSERT_EQ(made.heads.size(), 1U) << "of b alone: those of a wait behind 1, 2 and 3";
    EXPECT_THAT(head_ids("old"), ElementsAre(1U, value_of(made.heads[0].id)));
    EXPECT_FALSE(deliver(delivery_id{1})->is_replay);
    deliver(delivery_id{2});
    const auto first_of_a = deliver(delivery_id{3});
    ASSERT_TRUE(first_of_a.has_value());
    EXPECT_TRUE(first_of_a->is_replay);
    const auto recorded = world.record(make_settlement("a", 70, {"old"})).value();
    EXPECT_THAT(recorded.heads, IsEmpty()) << "and what is new goes behind";
}

TEST_P(Replays, WhatIsNewIsNotHeldForWhatIsNotMadeYet) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    world.advance_replay(step_of(id, 1)).value(); // event 1, of "a"; 3 and 5 are not made yet
    deliver(world.heads("new").at(0).id);
    const auto recorded = world.record(make_settlement("a", 70, {"new"})).value();
    EXPECT_EQ(recorded.heads.size(), 1U);
    run(id);
    EXPECT_THAT(
        owed("new"),
        ElementsAre("1 delivered", "7 pending", "2 pending", "3 pending", "4 pending", "5 pending", "6 pending"));
}

TEST_P(Replays, StepsAreBoundedByWhatIsPending) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    EXPECT_EQ(world.advance_replay(step_of(id, 2)).value().made, 2U);
    EXPECT_EQ(world.advance_replay(step_of(id, 200, 3)).value().made, 1U);
    const replay_progress full = world.advance_replay(step_of(id, 200, 3)).value();
    EXPECT_EQ(full.made, 0U);
    EXPECT_EQ(full.replay.next, event_seq{4});
    deliver(world.heads("new").at(0).id);
    EXPECT_EQ(world.advance_replay(step_of(id, 200, 3)).value().made, 1U);
    EXPECT_EQ(world.replays().at(0).delivered, 1U);
    EXPECT_EQ(world.replays().at(0).pending, 3U);
    EXPECT_EQ(world.replays().at(0).made, 4U);
}

TEST_P(Replays, AReplayIsDoneWhenNothingOfItIsPending) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    run(id);
    for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(world.advance_replay(step_of(id)).value().replay.state, track::replay_state::running);
        const delivery_id next = world.heads("new").at(0).id;
        if (i == 2) {
            world.attempt({next, at_ms(1100), 1, track::delivery_state::dead, 410, "410", std::nullopt});
        } else {
            deliver(next);
        }
    }
    const track::replay_view done = world.advance_replay(step_of(id)).value().replay;
    EXPECT_EQ(done.state, track::replay_state::done);
    EXPECT_EQ(done.ended_at, at_ms(1000));
    EXPECT_EQ(done.made, 6U);
    EXPECT_EQ(done.delivered, 5U);
    EXPECT_EQ(done.pending, 0U);
    EXPECT_EQ(world.advance_replay(step_of(id)).value().replay.ended_at, at_ms(1000)) << "it ends once";
}

TEST_P(Replays, OneAtATimeOfACallback) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    const auto second = world.begin_replay(everything("new"), at_ms(900));
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, store_error::busy);
    EXPECT_EQ(second.error().detail, "replay 1 to 'new' is running");
    EXPECT_EQ(count(everything("new")), 6U) << "counting is no replay";
    EXPECT_TRUE(world.begin_replay(everything("other"), at_ms(900)).has_value());
    world.cancel_replay(id, {}, at_ms(950)).value();
    EXPECT_TRUE(world.begin_replay(everything("new"), at_ms(960)).has_value());
}

TEST_P(Replays, AreBoundedInNumber) {
    for (std::size_t i = 0; i < most_running_replays; ++i)
        ASSERT_TRUE(world.begin_replay(everything("c" + std::to_string(i)), at_ms(900)).has_value());
    const auto beyond = world.begin_replay(everything("new"), at_ms(900));
    ASSERT_FALSE(beyond.has_value());
    EXPECT_EQ(beyond.error().code, store_error::busy);
    for (std::uint64_t i = 1; i <= most_running_replays; ++i) world.cancel_replay(replay_id{i}, {}, at_ms(950)).value();
    for (std::size_t i = 0; i < most_ended_replays; ++i) {
        const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
        world.cancel_replay(id, {}, at_ms(950)).value();
    }
    world.begin_replay(everything("new"), at_ms(900)).value();
    const auto kept = world.replays();
    EXPECT_EQ(kept.size(), most_ended_replays + 1);
    EXPECT_EQ(kept.front().id, replay_id{most_running_replays + most_ended_replays + 1}) << "the newest first";
    EXPECT_EQ(kept.back().id, replay_id{most_running_replays + 1});
}

TEST_P(Replays, ACancelTakesBackWhatIsNotUnderWay) {
    track::replay_query all = everything("old");
    all.only_missing = false;
    const replay_id id = world.begin_replay(all, at_ms(900)).value().id;
    const replay_progress made = world.advance_replay(step_of(id, 5)).value(); // 4 to 8, of events 1 to 5
    for (const std::uint64_t each : {1U, 2U, 3U}) deliver(delivery_id{each});
    world.record(make_settlement("a", 70, {"old"})).value(); // 9, behind 4, 6 and 8
    const replay_end end = world.cancel_replay(id, {delivery_id{5}}, at_ms(2000)).value();
    EXPECT_TRUE(end.was_running);
    EXPECT_EQ(end.dropped, 4U);
    EXPECT_EQ(end.replay.state, track::replay_state::cancelled);
    EXPECT_EQ(end.replay.ended_at, at_ms(2000));
    EXPECT_EQ(end.replay.made, 1U);
    EXPECT_EQ(end.replay.pending, 1U);
    ASSERT_EQ(end.heads.size(), 1U);
    EXPECT_EQ(end.heads[0].id, delivery_id{9}) << "what had waited behind the replay";
    EXPECT_EQ(end.heads[0].next_attempt_at, at_ms(2000));
    EXPECT_FALSE(end.heads[0].is_replay);
    EXPECT_THAT(head_ids("old"), ElementsAre(5U, 9U));
    EXPECT_EQ(world.status().lanes.at("old").pending, 2U);
    EXPECT_EQ(world.load_delivery(4), std::nullopt);
    EXPECT_EQ(deliver(delivery_id{4}), std::nullopt) << "its outcome comes too late and changes nothing";
    EXPECT_EQ(world.advance_replay(step_of(id)).value().made, 0U);
    EXPECT_FALSE(world.cancel_replay(id, {}, at_ms(3000)).value().was_running);
    EXPECT_EQ(world.replays().at(0).ended_at, at_ms(2000));
    EXPECT_EQ(made.made, 5U);
}

TEST_P(Replays, ThatAreNotThereAreNotFound) {
    EXPECT_EQ(world.advance_replay(step_of(replay_id{7})).error().code, store_error::not_found);
    EXPECT_EQ(world.cancel_replay(replay_id{7}, {}, at_ms(0)).error().code, store_error::not_found);
}

TEST_P(Replays, RetriedByHandADeliveryIsNoReplaysAnyMore) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    run(id);
    const delivery_id first = world.heads("new").at(0).id;
    world.attempt({first, at_ms(1100), 1, track::delivery_state::dead, 500, "500", std::nullopt});
    EXPECT_EQ(world.retry_dead("new", at_ms(1200)), 1U);
    EXPECT_EQ(world.replays().at(0).pending, 5U);
    const delivery_id second = world.heads("new").at(0).id;
    const auto retried = world.retry(value_of(second), at_ms(1300));
    ASSERT_TRUE(retried.has_value());
    EXPECT_FALSE(retried->is_replay);
    deliver(second);
    EXPECT_EQ(world.replays().at(0).delivered, 0U);
    EXPECT_EQ(world.replays().at(0).pending, 4U);
    EXPECT_EQ(world.cancel_replay(id, {}, at_ms(2000)).value().dropped, 4U);
    EXPECT_EQ(world.status().lanes.at("new").pending, 1U) << "the dead one that was retried";
}

TEST_P(Replays, GoOnWhereACrashLeftThem) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    world.advance_replay(step_of(id, 2)).value();
    for (const crash_point where : {crash_point::before_commit, crash_point::after_commit, crash_point::in_commit}) {
        world.crash(where, 5, [&](store& subject) {
            subject.advance_replay(step_of(id, 1), [](const op_result<replay_progress>&) {});
        });
        const track::replay_view left = world.replays().at(0);
        EXPECT_EQ(left.made, left.pending);
        EXPECT_EQ(owed("new").size(), left.made) << "where it stands and what it made are one change";
    }
    run(id);
    EXPECT_THAT(owed("new"), ElementsAre("1 pending", "2 pending", "3 pending", "4 pending", "5 pending", "6 pending"));
    EXPECT_EQ(world.replays().at(0).query, [] {
        track::replay_query query = everything("new");
        query.before = event_seq{7};
        return query;
    }());
}

TEST_P(Replays, PrunedEventsAreLeftOut) {
    track::replay_query all = everything("new");
    const replay_id id = world.begin_replay(all, at_ms(900)).value().id;
    world.advance_replay(step_of(id, 1)).value();
    deliver(world.heads("new").at(0).id);
    prune_request request;
    request.ended_before = at_ms(65); // both have ended; the deliveries to "old" hold a
    request.consumed_before = at_ms(0);
    EXPECT_EQ(prune_all(request), 1U);
    const track::replay_view left = run(id);
    EXPECT_EQ(left.made, 3U) << "events 2, 4 and 6 have no transaction any more";
    EXPECT_EQ(left.events, 6U);
    EXPECT_EQ(left.next, event_seq{7});
    EXPECT_EQ(count(everything("other")), 3U);
}

TEST_P(Replays, WhatTheyOweKeepsItsTransaction) {
    for (const std::uint64_t each : {1U, 2U, 3U}) deliver(delivery_id{each});
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    run(id);
    prune_request request;
    request.ended_before = at_ms(10'000);
    request.consumed_before = at_ms(10'000);
    EXPECT_EQ(prune_all(request), 0U);
    while (!world.heads("new").empty()) deliver(world.heads("new").at(0).id);
    EXPECT_EQ(prune_all(request), 2U);
    EXPECT_EQ(world.advance_replay(step_of(id)).value().replay.delivered, 6U) << "what is pruned was counted";
}

TEST_P(Replays, TheAgeOfTheOldestIsNotThatOfWhatIsReplayed) {
    run(world.begin_replay(everything("new"), at_ms(900)).value().id);
    EXPECT_EQ(world.status().lanes.at("new").oldest_pending, std::nullopt);
    EXPECT_EQ(world.status().lanes.at("new").pending, 6U);
    world.add({make_new("c")}).value();
    world.record(make_settlement("c", 80, {"new"})).value();
    EXPECT_EQ(world.status().lanes.at("new").oldest_pending, at_ms(80));
}

TEST_P(Replays, AFullDiskMakesNothing) {
    const replay_id id = world.begin_replay(everything("new"), at_ms(900)).value().id;
    world.set_full(true);
    EXPECT_EQ(world.advance_replay(step_of(id)).error().code, store_error::full);
    world.set_full(false);
    EXPECT_EQ(run(id).made, 6U);
}

} // namespace
} // namespace prooftrack::store
