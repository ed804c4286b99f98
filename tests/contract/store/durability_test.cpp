// The order of the handlers, what a crash leaves, a full disk, a failed one, and the end.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;
using testing::SizeIs;

using Order = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, Order, every_store(), store_name);

TEST_P(Order, HandlersRunInTheOrderOfTheCallsAndAReadSeesWhatWasCalledBefore) {
    constexpr int calls = 300;
    std::vector<int> order;
    for (int i = 0; i < calls; ++i) {
        const auto note = [&order, i](const auto&) { order.push_back(i); };
        switch (i % 4) {
        case 0:
            world.subject().add({make_new("tx-" + std::to_string(i))}, std::nullopt, note);
            break;
        case 1:
            world.subject().find(make_id("tx-" + std::to_string(i - 1)), [note](const auto& found) {
                note(found);
                EXPECT_TRUE(found.value().has_value());
            });
            break;
        case 2:
            world.subject().record(make_settlement("unknown", i, {}), note);
            break;
        default:
            world.subject().status(note);
            break;
        }
    }
    EXPECT_THAT(order, IsEmpty()) << "no handler runs inside a call";
    world.run();
    ASSERT_THAT(order, SizeIs(calls));
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(Order, AHandlerMayCallTheStore) {
    std::vector<add_result> results;
    world.subject().add({make_new("a")}, std::nullopt, [&](const op_result<std::vector<add_outcome>>& first) {
        results.push_back(first.value().at(0).what);
        world.subject().add({make_new("a")}, std::nullopt, [&](const op_result<std::vector<add_outcome>>& second) {
            results.push_back(second.value().at(0).what);
        });
    });
    world.run();
    EXPECT_THAT(results, ElementsAre(add_result::created, add_result::existing));
}

TEST_P(Order, TheObserverIsNotifiedOfACommitBeforeItsHandlersRun) {
    world.subject();
    std::size_t reported = 0;
    world.subject().add(
        {make_new("a")}, std::nullopt, [&](const auto&) { reported = world.reported().committed_operations; });
    world.run();
    EXPECT_EQ(reported, 1U);
}

class Crash : public store_contract {
  protected:
    /// A crash at which nobody may be told of anything.
    void crash(crash_point where, std::uint64_t seed, const std::function<void(store&)>& calls) {
        world.crash(where, seed, calls);
        EXPECT_EQ(reported_, 0U);
    }
    auto note() {
        return [this](const auto&) { ++reported_; };
    }
    /// Whether the settlement of "a" is there; half of it is a failure.
    bool has_settlement() {
        const bool is_there = world.find(make_id("a")).facts.state == track::tracking_state::settled;
        EXPECT_EQ(world.find(make_id("a")).proof.empty(), !is_there);
        EXPECT_EQ(world.find(make_id("a")).revision, row_revision{is_there ? 2U : 1U});
        EXPECT_EQ(world.history(make_id("a"))->changes.size(), is_there ? 2U : 1U);
        EXPECT_EQ(world.events().events.size(), is_there ? 1U : 0U);
        EXPECT_EQ(value_of(world.events().last_seq), is_there ? 1U : 0U);
        EXPECT_EQ(world.deliveries().deliveries.size(), is_there ? 2U : 0U);
        EXPECT_EQ(world.heads("backend").size(), is_there ? 1U : 0U);
        EXPECT_EQ(world.heads("ledger").size(), is_there ? 1U : 0U);
        const auto lanes = world.status().lanes;
        EXPECT_EQ(lanes.size(), is_there ? 2U : 0U);
        EXPECT_EQ(
            world.status().transactions.count({track::tracking_state::settled, track::status_kind::completed}),
            is_there ? 1U : 0U);
        return is_there;
    }

  private:
    std::size_t reported_ = 0;
};
INSTANTIATE_TEST_SUITE_P(Store, Crash, every_store(), store_name);

TEST_P(Crash, AChangeIsThereWholeOrNotAtAll) {
    const auto settle = [this](store& subject) {
        subject.record(make_settlement("a", 10, {"backend", "ledger"}), note());
    };
    world.add({make_new("a")}).value();
    crash(crash_point::before_commit, 1, settle);
    EXPECT_FALSE(has_settlement());
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        crash(crash_point::in_commit, seed, settle);
        if (has_settlement()) return;
    }
    crash(crash_point::after_commit, 1, settle);
    EXPECT_TRUE(has_settlement());
}

TEST_P(Crash, WhatSurvivesIsTheFirstOfWhatWasCalled) {
    int next = 0;
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        const int first = next;
        next += 20;
        crash(crash_point::in_commit, seed, [&](store& subject) {
            for (int i = first; i < next; ++i) subject.add({make_new("tx-" + std::to_string(i))}, std::nullopt, note());
        });
        bool is_gone = false;
        std::size_t number = 0;
        for (int i = first; i < next; ++i) {
            const bool is_there = world.knows(make_id("tx-" + std::to_string(i)));
            EXPECT_FALSE(is_there && is_gone) << i;
            is_gone = !is_there;
            number += is_there ? 1U : 0U;
        }
        EXPECT_LE(number, 20U);
    }
}

TEST_P(Crash, EveryKindOfChangeIsThereThoughNothingWasReported) {
    world.add({make_new("a"), make_new("b")}).value();
    world.record(make_settlement("b", 5, {"backend"})).value();
    crash(crash_point::after_commit, 1, [this](store& subject) {
        subject.add({make_new("c")}, std::nullopt, note());
        subject.record(make_settlement("a", 10, {"backend"}), note());
        subject.record_attempt(
            {delivery_id{1}, at_ms(20), 1, track::delivery_state::delivered, 200, "", std::nullopt}, note());
        subject.put_consumer("ledger", event_seq{0}, note());
        subject.acknowledge("ledger", event_seq{2}, note());
        subject.claim_session(make_digest(1), make_digest(1), at_ms(0), note());
        subject.set_failing("backend", at_ms(30), note());
        subject.remember_base_url("https://proof.example", note());
    });
    EXPECT_TRUE(world.knows(make_id("c")));
    EXPECT_EQ(world.events().last_seq, event_seq{2});
    EXPECT_EQ(world.load_delivery(1)->view.state, track::delivery_state::delivered);
    EXPECT_EQ(world.consumers().at(0).seq, event_seq{2});
    EXPECT_EQ(
        world.claim_session(make_digest(1), make_digest(1), at_ms(0)).what, session_claim::verdict::outcome_unknown);
    EXPECT_EQ(world.status().lanes.at("backend").failing_since, at_ms(30));
    EXPECT_EQ(world.status().lanes.at("backend").pending, 1U);
    EXPECT_EQ(world.remember_base_url(""), "https://proof.example");
}

TEST_P(Crash, NothingOfWhatWasNotCommittedIsThereAndNoNumberIsLost) {
    world.add({make_new("a"), make_new("b")}).value();
    world.record(make_settlement("b", 5, {"backend"})).value();
    crash(crash_point::before_commit, 3, [this](store& subject) {
        subject.add({make_new("c")}, std::nullopt, note());
        subject.record(make_settlement("a", 10, {"backend"}), note());
        subject.record_attempt(
            {delivery_id{1}, at_ms(20), 1, track::delivery_state::delivered, 200, "", std::nullopt}, note());
        subject.put_consumer("ledger", event_seq{0}, note());
    });
    EXPECT_FALSE(world.knows(make_id("c")));
    EXPECT_EQ(world.load_delivery(1)->view.state, track::delivery_state::pending);
    EXPECT_THAT(world.consumers(), IsEmpty());
    const recorded_transition again = world.record(make_settlement("a", 10, {"backend"})).value();
    EXPECT_EQ(again.seq, event_seq{2});
    EXPECT_EQ(again.heads.at(0).id, delivery_id{2});
}

TEST_P(Crash, WhatWasAnsweredSurvivesEveryOne) {
    std::uint64_t seed = 0;
    for (const crash_point where : {crash_point::before_commit, crash_point::in_commit, crash_point::after_commit}) {
        ++seed;
        const std::string id = "kept-" + std::to_string(seed);
        world.add({make_new(id)}).value();
        world.record(make_settlement(id, 10, {"backend"})).value();
        crash(where, seed, [&](store& subject) { subject.add({make_new(id + "-more")}, std::nullopt, note()); });
        EXPECT_EQ(world.find(make_id(id)).facts.state, track::tracking_state::settled);
        EXPECT_EQ(world.events().last_seq, event_seq{seed});
        EXPECT_EQ(world.heads("backend").size(), seed);
    }
}

using FullDisk = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, FullDisk, every_store(), store_name);

TEST_P(FullDisk, RefusesChangesKeepsReadingAndHealsByItself) {
    world.add({make_new("a")}).value();
    world.set_full(true);
    std::vector<track::store_state> reported_first;
    error_code refused;
    world.subject().add({make_new("b")}, std::nullopt, [&](const op_result<std::vector<add_outcome>>& given) {
        reported_first = world.reported().states;
        refused = given.error().code;
    });
    world.run();
    EXPECT_EQ(refused, store_error::full);
    EXPECT_THAT(reported_first, ElementsAre(track::store_state::full)) << "the observer hears it before the caller";
    EXPECT_EQ(world.record(make_settlement("a", 1, {"backend"})).error().code, store_error::full);
    EXPECT_EQ(world.probe().error().code, store_error::full);
    EXPECT_THAT(world.reported().states, ElementsAre(track::store_state::full)) << "told once";
    EXPECT_EQ(world.find(make_id("a")).facts.state, track::tracking_state::tracking);
    EXPECT_EQ(world.find(make_id("a")).revision, row_revision{1});
    EXPECT_FALSE(world.knows(make_id("b")));
    EXPECT_TRUE(world.events().events.empty());
    EXPECT_TRUE(world.status().lanes.empty());
    world.set_full(false);
    std::vector<track::store_state> reported_then;
    world.subject().probe([&](const op_result<std::monostate>& given) {
        EXPECT_TRUE(given.has_value());
        reported_then = world.reported().states;
    });
    world.run();
    EXPECT_THAT(reported_then, ElementsAre(track::store_state::full, track::store_state::ok));
    EXPECT_EQ(world.record(make_settlement("a", 2, {"backend"})).value().seq, event_seq{1});
    EXPECT_THAT(world.reported().fatal, IsEmpty());
}

TEST_P(FullDisk, IsOverOnceSomethingIsWrittenAndNotByAChangeThatIsRefused) {
    world.add({make_new("a")}).value();
    world.set_full(true);
    EXPECT_EQ(world.add({make_new("b")}).error().code, store_error::full);
    transition stale = make_settlement("a", 1, {"backend"});
    stale.revision = row_revision{99};
    EXPECT_THAT(world.record_as_is(stale).error().code, AnyOf(Eq(store_error::stale), Eq(store_error::full)));
    EXPECT_THAT(world.reported().states, ElementsAre(track::store_state::full));
    world.set_full(false);
    EXPECT_EQ(world.record_as_is(stale).error().code, store_error::stale);
    EXPECT_EQ(world.status().state, track::store_state::ok) << "the state is told to the observer alone";
    EXPECT_THAT(world.reported().states, ElementsAre(track::store_state::full));
    world.add({make_new("b")}).value();
    EXPECT_THAT(world.reported().states, ElementsAre(track::store_state::full, track::store_state::ok));
}

TEST_P(FullDisk, AReadBesideARefusedChangeDoesNotShowIt) {
    world.probe().value();
    world.set_full(true);
    std::vector<bool> knows;
    for (int i = 0; i < 20; ++i) {
        world.subject().add(
            {make_new("a")}, std::nullopt, [](const auto& given) { EXPECT_EQ(given.error().code, store_error::full); });
        world.subject().find(make_id("a"), [&](const auto& found) { knows.push_back(found.value().has_value()); });
    }
    world.run();
    EXPECT_THAT(knows, testing::AllOf(SizeIs(20), testing::Each(false)));
    EXPECT_TRUE(world.status().transactions.empty());
}

TEST_P(FullDisk, LosesNothingAndNoNumber) {
    world.add({make_new("a"), make_new("b")}).value();
    world.record(make_settlement("a", 1, {"backend"})).value();
    world.set_full(true);
    EXPECT_FALSE(world.record(make_settlement("b", 2, {"backend"})).has_value());
    EXPECT_FALSE(world.retry(1, at_ms(5)).has_value());
    world.set_full(false);
    world.reopen();
    EXPECT_EQ(world.heads("backend").at(0).next_attempt_at, at_ms(1));
    const recorded_transition recorded = world.record(make_settlement("b", 2, {"backend"})).value();
    EXPECT_EQ(recorded.seq, event_seq{2});
    EXPECT_EQ(recorded.heads.at(0).id, delivery_id{2});
}

using FailedDisk = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, FailedDisk, every_store(), store_name);

TEST_P(FailedDisk, StopsTheStoreForGood) {
    world.add({make_new("a")}).value();
    world.break_disk();
    std::size_t reported_first = 0;
    error_code failed;
    world.subject().add({make_new("b")}, std::nullopt, [&](const op_result<std::vector<add_outcome>>& given) {
        reported_first = world.reported().fatal.size();
        failed = given.error().code;
    });
    world.run();
    EXPECT_EQ(failed, store_error::failed);
    EXPECT_EQ(reported_first, 1U) << "the observer hears it before the caller";
    EXPECT_EQ(world.add({make_new("c")}).error().code, store_error::failed);
    EXPECT_EQ(world.probe().error().code, store_error::failed);
    const auto read = world.ask<store_status>([](store& subject, auto handler) { subject.status(std::move(handler)); });
    EXPECT_EQ(read.error().code, store_error::failed)
        << "reads as well: what they would show may never have been durable";
    EXPECT_THAT(world.reported().fatal, SizeIs(1)) << "told once";
    EXPECT_THAT(world.reported().states, IsEmpty());
    world.reopen(); // it closes all the same
    EXPECT_TRUE(world.knows(make_id("a")));
    EXPECT_FALSE(world.knows(make_id("c")));
    EXPECT_TRUE(world.add({make_new("d")}).has_value());
}

using Closing = store_contract;
INSTANTIATE_TEST_SUITE_P(Store, Closing, every_store(), store_name);

TEST_P(Closing, EverythingCalledBeforeIsDurableAndAnsweredFirst) {
    std::size_t answered = 0;
    std::size_t at_close = 0;
    for (int i = 0; i < 50; ++i) {
        world.subject().add({make_new("tx-" + std::to_string(i))}, std::nullopt, [&](const auto& outcome) {
            answered += outcome.has_value() ? 1U : 0U;
        });
    }
    world.subject().close([&] { at_close = answered; });
    world.run();
    EXPECT_EQ(at_close, 50U);
    world.reopen();
    EXPECT_EQ(world.status().transactions.at({track::tracking_state::tracking, track::status_kind::none}), 50U);
}

TEST_P(Closing, LaterCallsAreStoppedAndChangeNothing) {
    world.add({make_new("a")}).value();
    world.subject().close([] {});
    for (const bool is_closed : {false, true}) {
        std::vector<error_code> codes;
        const auto note = [&](const auto& outcome) { codes.push_back(outcome.error().code); };
        world.subject().add({make_new("late")}, std::nullopt, note);
        world.subject().record(make_settlement("a", 1, {}), note);
        world.subject().find(make_id("a"), note);
        world.subject().backup(note);
        world.subject().load_active([](const auto&) { ADD_FAILURE() << "a chunk"; }, note);
        world.run();
        EXPECT_THAT(codes, testing::AllOf(SizeIs(5), testing::Each(make_error_code(store_error::stopped))))
            << is_closed;
    }
    world.reopen();
    EXPECT_FALSE(world.knows(make_id("late")));
    EXPECT_EQ(world.find(make_id("a")).facts.state, track::tracking_state::tracking);
}

TEST_P(Closing, MayBeAskedForTwice) {
    int closed = 0;
    world.subject().close([&] { ++closed; });
    world.subject().close([&] { ++closed; });
    world.run();
    EXPECT_EQ(closed, 2);
    world.subject().close([&] { ++closed; });
    world.run();
    EXPECT_EQ(closed, 3);
}

} // namespace
} // namespace prooftrack::store
