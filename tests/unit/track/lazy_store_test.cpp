// A new body without a new word is written now and then, and never at the cost of what matters.

#include <gtest/gtest.h>

#include "unit/track/tracker_fixture.hpp"

namespace prooftrack::track {
namespace {

/// Transactions whose first word is recorded.
class lazy_world : public tracker_fixture {
  public:
    explicit lazy_world(int count) {
        for (int i = 0; i < count; ++i) track("id-" + std::to_string(i));
        for (int i = 0; i < count; ++i) {
            answer_body(*wait_for_poll(), 1);
            recorded();
        }
    }
    /// `pending` as before, in other bytes.
    std::vector<change_action> answer_body(const started_poll& poll, std::uint64_t body) {
        poll_answer reply;
        reply.what = body == poll.ticket.known_body ? reply_class::unchanged : reply_class::good;
        reply.status = reply.what == reply_class::good ? "pending" : "";
        reply.body_hash = body;
        answer(poll, reply);
        return all<change_action>();
    }
};

TEST(LazyStore, ANewBodyIsWrittenOnceAMinute) {
    lazy_world world(1);
    const steady_time stored = world.now.steady;
    std::uint64_t body = 1;
    std::vector<change_action> changes;
    while (changes.empty()) {
        const auto poll = world.wait_for_poll(seconds(20));
        ASSERT_TRUE(poll);
        changes = world.answer_body(*poll, ++body);
        EXPECT_TRUE(changes.empty() || world.now.steady - stored >= seconds(60));
    }
    EXPECT_LE(world.now.steady - stored, seconds(70));
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_TRUE(changes[0].reply_is_good);
    EXPECT_FALSE(changes[0].is_history || changes[0].event.has_value());
    world.step(durable(changes[0]));
    const auto poll = world.wait_for_poll(seconds(20));
    ASSERT_TRUE(poll);
    EXPECT_EQ(poll->ticket.known_body, body);
    EXPECT_TRUE(world.answer_body(*poll, body + 1).empty()) << "a new minute";
}

TEST(LazyStore, OnesMinuteIsOverAfterSixtySeconds) {
    lazy_world world(1);
    const row_ref row = *world.core.find("id-0");
    const auto asked_after = [&](milliseconds by) {
        world.pass(by);
        world.step(poll_wanted_event{row});
        return world.answer_body(*world.core.next_poll(world.now), 2);
    };
    EXPECT_TRUE(asked_after(milliseconds(59'000)).empty());
    EXPECT_FALSE(asked_after(milliseconds(1'000)).empty());
}

TEST(LazyStore, AtMostThirtyTwoAreUnderWayAndOthersDoNotCount) {
    lazy_world world(100);
    std::vector<change_action> others;
    for (int i = 60; i < 100; ++i) {
        world.step(untracked_event{*world.core.find("id-" + std::to_string(i))});
        others.push_back(world.only<change_action>());
    }
    world.pass(seconds(61));
    world.step(woken_event{});
    std::vector<change_action> changes;
    for (int i = 0; i < 60; ++i) {
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll);
        const auto some = world.answer_body(*poll, 2);
        EXPECT_EQ(some.size(), i < 32 ? 1U : 0U) << i;
        for (const change_action& one : some) changes.push_back(one);
    }
    world.step(durable(changes[0]));
    world.step(refused(changes[1]));
    int more = 0;
    for (int i = 0; i < 20; ++i) {
        const auto poll = world.wait_for_poll(seconds(20));
        ASSERT_TRUE(poll);
        more += static_cast<int>(world.answer_body(*poll, 3).size());
    }
    EXPECT_EQ(more, 2) << "what has ended makes room";
}

TEST(LazyStore, StatusesAndDeadlinesThatAreUnderWayDoNotCount) {
    for (const bool is_overdue : {false, true}) {
        lazy_world world(40);
        world.step(tracked_event{world.make("other", std::chrono::hours(48)), false});
        world.answer_body(*world.wait_for_poll(), 1);
        world.recorded();
        world.pass(is_overdue ? seconds(std::chrono::hours(24)) : seconds(61));
        world.step(poll_wanted_event{*world.core.find("other")});
        const auto poll = world.core.next_poll(world.now);
        ASSERT_TRUE(poll);
        EXPECT_EQ(poll->ticket.id, "other");
        if (is_overdue) {
            world.step(woken_event{});
        } else {
            for (int i = 0; i < 40; ++i)
                world.answer(world.core.next_poll(world.now).value(), reply_class::good, "processing");
        }
        EXPECT_EQ(world.core.recording(), 40U);
        EXPECT_EQ(world.answer_body(*poll, 2).size(), 1U);
    }
}

} // namespace
} // namespace prooftrack::track
