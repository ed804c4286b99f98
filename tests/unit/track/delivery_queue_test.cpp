#include "track/delivery_queue.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace prooftrack::track {
namespace {

constexpr wall_time zero{milliseconds(1'775'044'800'000)};

lane_head head(std::uint64_t id, std::int64_t at) { return {delivery_id{id}, 0, zero + milliseconds(at), id}; }

void put(delivery_queue& queue, std::uint64_t id, std::int64_t at) {
    queue.insert(head(id, at), zero + milliseconds(at));
}

void refill(delivery_queue& queue, const std::vector<lane_head>& heads, std::size_t asked) {
    queue.refill(
        heads, asked, [](const lane_head&) { return true; }, [](const lane_head& one) { return one.next_attempt_at; });
}

TEST(DeliveryQueue, GivesTheLongestDueFirstAndTheOlderOfEquals) {
    delivery_queue queue(8, stored_heads::none);
    put(queue, 3, 20);
    put(queue, 2, 10);
    put(queue, 1, 20);
    EXPECT_EQ(queue.first_due(), zero + milliseconds(10));
    EXPECT_EQ(queue.pop().id, delivery_id{2});
    EXPECT_EQ(queue.pop().id, delivery_id{1});
    EXPECT_EQ(queue.pop().id, delivery_id{3});
    EXPECT_TRUE(queue.empty());
    EXPECT_FALSE(queue.wants_refill()) << "the store has no more either";
}

TEST(DeliveryQueue, CountsWhatIsDueUpToABound) {
    delivery_queue queue(8, stored_heads::none);
    EXPECT_EQ(queue.count_due(zero, 8), 0U);
    for (std::uint64_t id = 1; id <= 4; ++id) put(queue, id, static_cast<std::int64_t>(id));
    EXPECT_EQ(queue.count_due(zero, 8), 0U);
    EXPECT_EQ(queue.count_due(zero + milliseconds(3), 8), 3U);
    EXPECT_EQ(queue.count_due(zero + milliseconds(3), 2), 2U);
}

TEST(DeliveryQueue, AHeadThatComesAgainReplacesItself) {
    delivery_queue queue(8, stored_heads::none);
    put(queue, 1, 500);
    put(queue, 1, 0);
    EXPECT_EQ(queue.size(), 1U);
    EXPECT_EQ(queue.first_due(), zero);
}

TEST(DeliveryQueue, HoldsNoMoreThanItsCapacityAndLeavesTheLastOnesToTheStore) {
    delivery_queue queue(4, stored_heads::none);
    for (std::uint64_t id = 1; id <= 5; ++id) put(queue, id, static_cast<std::int64_t>(id) * 10);
    EXPECT_EQ(queue.size(), 4U);
    EXPECT_FALSE(queue.whole());
    put(queue, 6, 60);
    EXPECT_EQ(queue.size(), 4U) << "beyond the edge";
    put(queue, 7, 1);
    EXPECT_EQ(queue.size(), 4U) << "the last one made room";
    EXPECT_EQ(queue.pop().id, delivery_id{7});
}

TEST(DeliveryQueue, AsksForARefillWhenFewAreLeft) {
    delivery_queue queue(8, stored_heads::none);
    for (std::uint64_t id = 1; id <= 9; ++id) put(queue, id, static_cast<std::int64_t>(id));
    for (int i = 0; i < 5; ++i) queue.pop();
    EXPECT_FALSE(queue.wants_refill());
    queue.pop();
    EXPECT_TRUE(queue.wants_refill());
    refill(queue, {head(7, 7), head(8, 8), head(9, 9)}, 8);
    EXPECT_TRUE(queue.whole());
    EXPECT_EQ(queue.size(), 3U);
}

TEST(DeliveryQueue, AFullAnswerMeansThatThereMayBeMore) {
    delivery_queue queue(2, stored_heads::possible);
    EXPECT_TRUE(queue.wants_refill());
    refill(queue, {head(1, 1), head(2, 2)}, 2);
    EXPECT_EQ(queue.size(), 2U) << "the last one of the answer is kept as well";
    EXPECT_FALSE(queue.whole());
    put(queue, 3, 3);
    EXPECT_EQ(queue.size(), 2U);
}

TEST(DeliveryQueue, BusyOnesAreNotTakenFromARefill) {
    delivery_queue queue(4, stored_heads::possible);
    const std::vector<lane_head> first{head(1, 1), head(2, 2)};
    queue.refill(
        first, 5, [](const lane_head& one) { return one.id != delivery_id{1}; },
        [](const lane_head& one) { return one.next_attempt_at; });
    EXPECT_EQ(queue.size(), 1U);
    EXPECT_EQ(queue.pop().id, delivery_id{2});
}

TEST(DeliveryQueue, AChangeBehindItsBackAsksForARefill) {
    delivery_queue queue(4, stored_heads::none);
    put(queue, 1, 1);
    queue.invalidate();
    EXPECT_TRUE(queue.wants_refill());
    EXPECT_FALSE(queue.whole());
    EXPECT_EQ(queue.first_due(), zero + milliseconds(1)) << "still usable meanwhile";
}

TEST(DeliveryQueue, KeepsWhatIsOfTheShardsThatAreHeld) {
    delivery_queue queue(8, stored_heads::none);
    for (const std::uint64_t row : {1U, 2U, 257U}) put(queue, row, static_cast<std::int64_t>(row));
    shard_set held;
    held.set(1);
    queue.keep(held);
    EXPECT_TRUE(queue.whole()) << "the store has nothing else that is held";
    ASSERT_EQ(queue.size(), 2U);
    EXPECT_EQ(queue.pop().id, delivery_id{1});
    EXPECT_EQ(queue.pop().id, delivery_id{257});
    EXPECT_EQ(queue.first_due(), std::nullopt);
}

TEST(DeliveryQueue, PopOfAnEmptyQueueIsABrokenInvariant) {
    delivery_queue queue(4, stored_heads::none);
    EXPECT_THROW(queue.pop(), std::logic_error);
}

// Against the naive model: whatever comes and goes, what is popped is what the whole order has first among the due.
RC_GTEST_PROP(DeliveryQueue, GivesTheSameAsAnUnboundedList, ()) {
    const auto capacity = *rc::gen::inRange<std::size_t>(1, 9);
    const auto moves = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 4), rc::gen::inRange(0, 60)));
    delivery_queue queue(capacity, stored_heads::none);
    std::vector<lane_head> model;
    const auto by_key = [](const lane_head& a, const lane_head& b) {
        return std::pair(a.next_attempt_at, a.id) < std::pair(b.next_attempt_at, b.id);
    };
    std::uint64_t last = 0;
    const auto serve = [&] {
        if (!queue.wants_refill()) return;
        std::sort(model.begin(), model.end(), by_key);
        const std::vector<lane_head> first(
            model.begin(), model.begin() + static_cast<std::ptrdiff_t>(std::min(capacity, model.size())));
        refill(queue, first, capacity);
        RC_ASSERT(!queue.empty() || model.empty());
    };
    for (const auto& [what, value] : moves) {
        if (what < 3) {
            const lane_head one = head(++last, value);
            model.push_back(one);
            queue.insert(one, one.next_attempt_at);
        } else if (!model.empty()) {
            serve();
            const auto first = std::min_element(model.begin(), model.end(), by_key);
            RC_ASSERT(queue.pop().id == first->id);
            model.erase(first);
        }
        RC_ASSERT(queue.size() <= capacity);
    }
    while (!model.empty()) {
        serve();
        const auto first = std::min_element(model.begin(), model.end(), by_key);
        RC_ASSERT(queue.pop().id == first->id);
        model.erase(first);
    }
}

TEST(DeliveryQueue, TheEdgeLiesRightBehindTheLastOneOfAFullAnswer) {
    delivery_queue queue(8, stored_heads::possible);
    refill(queue, {head(1, 1), head(2, 2)}, 2);
    put(queue, 3, 2);
    EXPECT_EQ(queue.size(), 2U) << "the store may have others before it";
}

} // namespace
} // namespace prooftrack::track
