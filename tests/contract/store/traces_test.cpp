// What orders events and ties them to the request that tracked the id: it is stored with each event and never changes.

#include <gmock/gmock.h>

#include "contract/store/store_under_test.hpp"

namespace prooftrack::store {
namespace {

const std::string first_trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const std::string second_trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

class Traces : public store_contract {
  protected:
    static track::new_transaction traced(const std::string& id, const std::string& traceparent, std::int64_t ms = 0) {
        track::new_transaction made = make_new(id, ms);
        made.traceparent = traceparent;
        return made;
    }
    delivery_record stored(const recorded_transition& recorded) {
        return world.load_delivery(value_of(recorded.heads.at(0).id)).value();
    }
    void untrack(const std::string& id, std::int64_t ms) {
        world.record(make_change(id, track::tracking_state::untracked, "completed", ms)).value();
    }
};
INSTANTIATE_TEST_SUITE_P(Store, Traces, every_store(), store_name);

TEST_P(Traces, AnEventHasThatOfItsTracking) {
    world.add({traced("a", first_trace), make_new("b")}).value();
    const auto first = world.record(make_settlement("a", 10, {"backend"})).value();
    const auto none = world.record(make_settlement("b", 10, {"backend"})).value();
    EXPECT_EQ(first.traceparent, first_trace);
    EXPECT_EQ(first.records.at(0).traceparent, first_trace);
    EXPECT_EQ(none.traceparent, "");
    EXPECT_EQ(none.records.at(0).traceparent, "");
    for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(stored(first).traceparent, first_trace);
        EXPECT_EQ(stored(none).traceparent, "");
        world.reopen();
    }
    EXPECT_EQ(
        world.record(make_change("a", track::tracking_state::settled, "completed", 20)).value().traceparent,
        first_trace)
        << "a change without an event, too";
}

TEST_P(Traces, AnIdThatIsThereAlreadyKeepsIts) {
    world.add({traced("a", first_trace)}).value();
    EXPECT_EQ(world.add({traced("a", second_trace)}).value()[0].what, add_result::existing);
    EXPECT_EQ(world.add({make_new("a")}).value()[0].what, add_result::existing);
    EXPECT_EQ(world.record(make_settlement("a", 10, {})).value().traceparent, first_trace);
}

TEST_P(Traces, OneThatIsTrackedAnewTakesTheNewOneAndItsEarlierEventsKeepTheirs) {
    world.add({traced("a", first_trace)}).value();
    const auto first = world.record(make_settlement("a", 10, {"one"})).value();
    untrack("a", 20);
    world.add({traced("a", second_trace, 30)}).value();
    const auto second = world.record(make_settlement("a", 40, {"two"})).value();
    untrack("a", 50);
    world.add({make_new("a", 60)}).value();
    const auto third = world.record(make_settlement("a", 70, {"three"})).value();
    world.reopen();
    EXPECT_EQ(stored(first).traceparent, first_trace);
    EXPECT_EQ(stored(second).traceparent, second_trace);
    EXPECT_EQ(stored(third).traceparent, "");
}

TEST_P(Traces, TheTimeOfAnEventIsStoredAndGrowsWhateverTheClockSaysAndThroughANewTracking) {
    world.add({make_new("a")}).value();
    const auto first = world.record(make_settlement("a", 1'000, {"one"})).value();
    untrack("a", 20);
    world.reopen();
    world.add({make_new("a", 30)}).value();
    const auto second = world.record(make_settlement("a", 40, {"two"})).value();
    EXPECT_EQ(first.records.at(0).recorded_at, at_ms(1'000));
    EXPECT_EQ(second.records.at(0).recorded_at, at_ms(1'001)) << "the clock went back";
    const attempt_record failed{second.heads.at(0).id, at_ms(50), 1, track::delivery_state::pending, 500, "", {}};
    world.attempt(failed);
    world.reopen();
    EXPECT_EQ(stored(first).recorded_at, at_ms(1'000));
    EXPECT_EQ(stored(second).recorded_at, at_ms(1'001)) << "the same in each attempt";
    EXPECT_THAT(*stored(second).body, testing::HasSubstr(R"("timestamp":"2026-04-01T10:00:01.001Z")"));
}

TEST_P(Traces, OneThatIsPrunedAndPostedAgainIsLater) {
    world.add({traced("a", first_trace)}).value();
    const auto first = world.record(make_settlement("a", 10, {})).value();
    const event_page before = world.events();
    prune_request everything;
    everything.ended_before = at_ms(1'000);
    everything.consumed_before = at_ms(1'000);
    world.prune(everything);
    ASSERT_FALSE(world.knows(make_id("a")));
    world.add({make_new("a", 2'000)}).value();
    const auto again = world.record(make_settlement("a", 2'010, {"one"})).value();
    EXPECT_EQ(first.seq, before.last_seq);
    EXPECT_EQ(again.records.at(0).recorded_at, at_ms(2'010));
    EXPECT_EQ(again.traceparent, "");
}

} // namespace
} // namespace prooftrack::store
