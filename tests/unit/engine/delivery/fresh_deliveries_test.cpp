#include "engine/delivery/fresh_deliveries.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace prooftrack::engine {
namespace {

store::delivery_record record(std::uint64_t id, std::size_t bytes) {
    const track::delivery_view view{
        delivery_id{id}, "evt", "transaction.completed", *transaction_id::parse("t"), "backend", {}, 0, {}, "", 0, {}};
    return {view, "backend", "", "settled", "completed", std::make_shared<const std::string>(bytes, 'x')};
}

TEST(FreshDeliveries, EachIsTakenOnce) {
    fresh_deliveries fresh;
    fresh.keep(record(1, 100));
    const auto taken = fresh.take(delivery_id{1});
    ASSERT_TRUE(taken.has_value());
    EXPECT_EQ(taken->body->size(), 100U);
    EXPECT_FALSE(fresh.take(delivery_id{1}).has_value());
    EXPECT_FALSE(fresh.take(delivery_id{2}).has_value());
    EXPECT_EQ(fresh.bytes(), 0U);
}

TEST(FreshDeliveries, WhatDoesNotFitIsLeftToTheStore) {
    fresh_deliveries fresh;
    fresh.keep(record(1, most_fresh_bytes / 2));
    fresh.keep(record(2, most_fresh_bytes / 2));
    fresh.keep(record(3, 100));
    EXPECT_LE(fresh.bytes(), most_fresh_bytes);
    EXPECT_FALSE(fresh.take(delivery_id{2}).has_value());
    EXPECT_TRUE(fresh.take(delivery_id{3}).has_value()) << "a small one fits beside";
    EXPECT_TRUE(fresh.take(delivery_id{1}).has_value());
    EXPECT_EQ(fresh.bytes(), 0U);
}

TEST(FreshDeliveries, OneThatComesTwiceIsCountedOnce) {
    fresh_deliveries fresh;
    fresh.keep(record(1, 100));
    const std::size_t once = fresh.bytes();
    fresh.keep(record(1, 100));
    EXPECT_EQ(fresh.bytes(), once);
}

TEST(FreshDeliveries, ClearingForgetsAll) {
    fresh_deliveries fresh;
    fresh.keep(record(1, 100));
    fresh.clear();
    EXPECT_EQ(fresh.bytes(), 0U);
    EXPECT_FALSE(fresh.take(delivery_id{1}).has_value());
}

} // namespace
} // namespace prooftrack::engine
