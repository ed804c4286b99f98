// How replays share a lane with what is recorded, and their pace.

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "track/delivery_lane.hpp"
#include "track/replay_pace.hpp"

namespace prooftrack::track {
namespace {

using namespace std::chrono_literals;

static_assert(most_pending_of_replay <= lane_capacity / 2, "as many recorded ones have room beside them");
static_assert(few_pending_of_replay < most_pending_of_replay);

struct shared_lane {
    explicit shared_lane(std::size_t max_in_flight)
        : lane(lane_capacity, stored_heads::none, lane_settings{{5s}, max_in_flight, 8}) {}

    void owe(std::uint64_t id, delivery_kind kind) { lane.insert({delivery_id{id}, 0, now.wall, id, kind}, now.wall); }
    /// Begins all that may; what was begun.
    std::vector<std::uint64_t> begin() {
        while (const auto head = lane.take(now)) lane.loaded(head->id);
        std::vector<std::uint64_t> begun;
        while (lane.first_ready() && lane.next_turn(now.steady) == delivery_lane::turn::go) {
            begun.push_back(value_of(*lane.first_ready()));
            lane.begin(*lane.first_ready(), now.steady);
        }
        return begun;
    }
    void end(std::uint64_t id, attempt_result what = attempt_result::delivered) {
        lane.finish(delivery_id{id}, 1, {what, {}}, now, random);
        lane.forget(delivery_id{id});
    }

    instant now{steady_time(1h), wall_time(1'775'044'800'000ms)};
    random_source random{1};
    delivery_lane lane;
};

TEST(ReplayedDeliveries, HaveHalfOfTheLane) {
    EXPECT_EQ(share_of_replays(0), 0U);
    EXPECT_EQ(share_of_replays(1), 1U);
    EXPECT_EQ(share_of_replays(2), 1U);
    EXPECT_EQ(share_of_replays(5), 2U);
    EXPECT_EQ(share_of_replays(16), 8U);
    shared_lane bench(5);
    for (std::uint64_t id = 1; id <= 9; ++id) bench.owe(id, delivery_kind::replayed);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{1, 2}));
    for (std::uint64_t id = 11; id <= 19; ++id) bench.owe(id, delivery_kind::recorded);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{11, 12, 13})) << "the other half was free";
    bench.end(11);
    bench.end(1);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{14, 15})) << "recorded ones first";
}

TEST(ReplayedDeliveries, GoWhenNoRecordedOneWants) {
    shared_lane bench(4);
    for (std::uint64_t id = 1; id <= 4; ++id) bench.owe(id, delivery_kind::replayed);
    for (std::uint64_t id = 11; id <= 13; ++id) bench.owe(id, delivery_kind::recorded);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{11, 12, 13, 1}));
    for (const std::uint64_t id : {11U, 12U, 13U}) bench.end(id);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{2}));
}

TEST(ReplayedDeliveries, KeepNoRecordedOneFromBeingLoaded) {
    shared_lane bench(2);
    for (std::uint64_t id = 1; id <= 200; ++id) bench.owe(id, delivery_kind::replayed);
    bench.begin();
    for (std::uint64_t id = 1; id <= 200 && bench.lane.is_busy(delivery_id{id}); ++id) {
        if (bench.lane.phase_of(delivery_id{id}) == delivery_phase::attempting)
            bench.lane.finish(delivery_id{id}, 1, {attempt_result::delivered, {}}, bench.now, bench.random);
        bench.begin(); // none of the outcomes is recorded
    }
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{})) << "a slow store holds them back";
    EXPECT_EQ(bench.lane.next_wake(bench.now), std::nullopt);
    bench.owe(501, delivery_kind::recorded);
    EXPECT_EQ(bench.lane.next_wake(bench.now), bench.now.steady);
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{501}));
}

TEST(ReplayedDeliveries, OfAFailingCallbackAreTriedWhenNothingElseIs) {
    shared_lane bench(4);
    bench.lane.health().resume_failing(bench.now.wall, bench.now.steady);
    bench.owe(1, delivery_kind::replayed);
    bench.owe(2, delivery_kind::recorded);
    EXPECT_EQ(bench.lane.take(bench.now), std::nullopt);
    bench.now.steady += failing_probe_interval;
    bench.now.wall += failing_probe_interval;
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{2}));
    bench.end(2, attempt_result::gone);
    bench.now.steady += failing_probe_interval;
    EXPECT_EQ(bench.begin(), (std::vector<std::uint64_t>{1}));
}

TEST(ReplayedDeliveries, KeepTheirKindAcrossAttempts) {
    shared_lane bench(4);
    bench.owe(1, delivery_kind::replayed);
    const auto head = bench.lane.take(bench.now);
    ASSERT_TRUE(head.has_value());
    bench.lane.put_back(head->id, bench.now.wall);
    EXPECT_EQ(bench.lane.take(bench.now)->kind, delivery_kind::replayed);
}

TEST(ReplayedDeliveries, ThatFillTheMemoryDoNotHideRecordedOnesInTheStore) {
    constexpr wall_time zero{milliseconds(1'775'044'800'000)};
    constexpr std::size_t capacity = 64;
    const auto head = [&](std::uint64_t id, delivery_kind kind) {
        return lane_head{delivery_id{id}, 0, zero, id, kind};
    };
    const auto refill = [&](delivery_queue& queue, std::size_t replayed) {
        std::vector<lane_head> heads;
        for (std::uint64_t id = 1; id <= capacity; ++id)
            heads.push_back(head(id, id <= replayed ? delivery_kind::replayed : delivery_kind::recorded));
        queue.refill(
            heads, capacity, [](const lane_head&) { return true; }, [&](const lane_head&) { return zero; });
    };
    delivery_queue queue(capacity, stored_heads::possible);
    refill(queue, capacity / 2);
    EXPECT_FALSE(queue.wants_refill());
    for (std::size_t i = 0; i < capacity / 4; ++i) queue.pop(delivery_kind::recorded);
    EXPECT_TRUE(queue.wants_refill()) << "few recorded ones are left";
    refill(queue, capacity);
    EXPECT_FALSE(queue.wants_refill()) << "another refill would bring the same ones";
    EXPECT_THROW(queue.pop(delivery_kind::recorded), std::logic_error);
}

replay_view running(std::uint64_t next, std::uint64_t pending) {
    replay_view view;
    view.query.before = event_seq{1000};
    view.next = event_seq{next};
    view.pending = pending;
    return view;
}

TEST(ReplayPace, GoesOnWhileThereIsRoom) {
    replay_pace pace;
    EXPECT_EQ(pace.after(running(200, 200)), between_steps);
    EXPECT_EQ(pace.after(running(400, few_pending_of_replay - 1)), between_steps);
    EXPECT_EQ(pace.after(running(500, few_pending_of_replay)), shortest_look);
    EXPECT_EQ(pace.after(running(500, 10)), between_steps);
}

TEST(ReplayPace, LooksLessAndLessOftenWhileNothingIsTaken) {
    replay_pace pace;
    EXPECT_EQ(pace.after(running(1000, 400)), shortest_look);
    EXPECT_EQ(pace.after(running(1000, 400)), 2 * shortest_look);
    EXPECT_EQ(pace.after(running(1000, 400)), 4 * shortest_look);
    for (int i = 0; i < 20; ++i) pace.after(running(1000, 400));
    EXPECT_EQ(pace.after(running(1000, 400)), longest_look);
    EXPECT_EQ(pace.after(running(1000, 399)), shortest_look);
}

TEST(ReplayPace, IsOfARunningReplay) {
    replay_pace pace;
    replay_view done = running(1000, 0);
    done.state = replay_state::done;
    EXPECT_THROW(pace.after(done), std::logic_error);
    EXPECT_EQ(to_string(replay_state::running), "running");
    EXPECT_EQ(to_string(replay_state::done), "done");
    EXPECT_EQ(to_string(replay_state::cancelled), "cancelled");
}

} // namespace
} // namespace prooftrack::track
