#include <gtest/gtest.h>

#include <string>

#include "track/merchant_table.hpp"

namespace prooftrack::track {
namespace {

merchant_line line_of(std::uint64_t number, std::string_view id, merchant_belief belief = {}) {
    return {number, id, belief};
}

TEST(MerchantTable, GivesBackWhatItTook) {
    merchant_table table;
    const std::string uuid = "550e8400-e29b-41d4-a716-446655440000";
    EXPECT_EQ(table.add(line_of(2, uuid, {"completed", "100.00", "EUR", true})), merchant_table::outcome::added);
    EXPECT_EQ(table.add(line_of(3, "03b22d25d523a5285", {"on hold", {}, "USD", {}})), merchant_table::outcome::added);
    EXPECT_EQ(table.add(line_of(4, "x", {{}, "7", {}, false})), merchant_table::outcome::added);
    EXPECT_EQ(table.add(line_of(9, uuid)), merchant_table::outcome::repeated);
    ASSERT_EQ(table.size(), 3U);
    const kept_line first = table.line(*table.find(uuid));
    EXPECT_EQ(first.line, 2U);
    EXPECT_EQ(first.id, uuid);
    EXPECT_EQ(first.status, "completed");
    EXPECT_EQ(first.fiat_amount, "100.00");
    EXPECT_EQ(first.fiat_currency, "EUR");
    EXPECT_EQ(first.credited, true);
    const kept_line second = table.line(*table.find("03b22d25d523a5285"));
    EXPECT_EQ(second.status, "on hold");
    EXPECT_EQ(second.fiat_amount, std::nullopt);
    EXPECT_EQ(second.credited, std::nullopt);
    const kept_line third = table.line(*table.find("x"));
    EXPECT_EQ(third.status, std::nullopt);
    EXPECT_EQ(third.fiat_amount, "7");
    EXPECT_EQ(third.credited, false);
    EXPECT_EQ(table.find("y"), std::nullopt);
    EXPECT_EQ(table.find(""), std::nullopt);
    EXPECT_EQ(table.find(std::string(300, 'x')), std::nullopt);
    EXPECT_EQ(table.find("550E8400-E29B-41D4-A716-446655440000"), std::nullopt);
}

TEST(MerchantTable, AUuidIsNotTheTextOfItsBytes) {
    // The bytes of this UUID are a length and 15 letters.
    merchant_table table;
    table.add(line_of(1, "0f616161-6161-6161-6161-616161616161"));
    EXPECT_EQ(table.find(std::string(15, 'a')), std::nullopt);
    EXPECT_EQ(table.find(std::string(16, 'a')), std::nullopt);
    table.add(line_of(2, std::string(15, 'a')));
    EXPECT_EQ(table.size(), 2U);
}

TEST(MerchantTable, MarksAreALinesOwn) {
    merchant_table table;
    table.add(line_of(1, "a", {"completed", "1", "EUR", true}));
    table.add(line_of(2, "b"));
    table.mark_seen(0);
    table.mark_owed(1);
    EXPECT_TRUE(table.is_seen(0));
    EXPECT_FALSE(table.is_owed(0));
    EXPECT_FALSE(table.is_seen(1));
    EXPECT_TRUE(table.is_owed(1));
    EXPECT_EQ(table.line(0).credited, true);
    EXPECT_EQ(table.line(0).fiat_amount, "1");
}

TEST(MerchantTable, FindsEachOfManyAcrossItsBlocks) {
    merchant_table table;
    constexpr std::size_t many = 50'000;
    for (std::size_t i = 0; i < many; ++i)
        ASSERT_EQ(
            table.add(line_of(i + 1, "id-" + std::to_string(i), {"failed", "12.34", {}, {}})),
            merchant_table::outcome::added);
    for (std::size_t i = 0; i < many; ++i) {
        const std::string id = "id-" + std::to_string(i);
        const auto at = table.find(id);
        ASSERT_TRUE(at) << id;
        ASSERT_EQ(table.line(*at).id, id);
        ASSERT_EQ(table.line_of(*at), i + 1);
    }
}

TEST(MerchantTable, TheNumberOfLinesIsBounded) {
    merchant_table table(2);
    EXPECT_EQ(table.add(line_of(1, "a")), merchant_table::outcome::added);
    EXPECT_EQ(table.add(line_of(2, "b")), merchant_table::outcome::added);
    EXPECT_EQ(table.add(line_of(3, "c")), merchant_table::outcome::full);
    EXPECT_EQ(table.add(line_of(4, "a")), merchant_table::outcome::repeated);
    EXPECT_EQ(table.size(), 2U);
    EXPECT_THROW(table.line(2), std::logic_error);
}

} // namespace
} // namespace prooftrack::track
