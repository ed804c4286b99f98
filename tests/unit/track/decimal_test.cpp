#include <gtest/gtest.h>

#include <string>

#include "track/decimal.hpp"

namespace prooftrack::track {
namespace {

decimal number(const std::string& text) {
    const auto read = decimal::parse(text);
    EXPECT_TRUE(read) << text;
    return read.value_or(decimal());
}

decimal_sum sum_of(std::initializer_list<const char*> numbers) {
    decimal_sum sum;
    for (const char* one : numbers) sum.add(number(one));
    return sum;
}

TEST(Decimal, IsEqualByValueAndNotBySpelling) {
    EXPECT_EQ(number("100"), number("100.00"));
    EXPECT_EQ(number("0"), number("000.000"));
    EXPECT_EQ(number("007.10"), number("7.1"));
    EXPECT_NE(number("100"), number("100.000000000000000001"));
    EXPECT_NE(number("0.1"), number("0.01"));
    EXPECT_LT(number("99.999"), number("100"));
    EXPECT_LT(number("1.05"), number("1.5"));
}

TEST(Decimal, IsExactWhereAFloatIsNot) {
    // 2^53 + 1, and two numbers that are the same double.
    EXPECT_NE(number("9007199254740993"), number("9007199254740992"));
    EXPECT_NE(number("0.1"), number("0.100000000000000006"));
    EXPECT_EQ(sum_of({"0.1", "0.2"}), sum_of({"0.3"}));
}

TEST(Decimal, NothingElseIsOne) {
    for (const char* text :
         {"", ".", "1.", ".5", "-1", "+1", " 1", "1 ", "1,5", "1,000.00", "1e2", "1.5.2", "0x10", "1\n", "NaN", "٣"})
        EXPECT_FALSE(decimal::parse(text)) << text;
    EXPECT_FALSE(decimal::parse(std::string("1\0", 2)));
}

TEST(Decimal, TheNumberOfDigitsIsBounded) {
    EXPECT_TRUE(decimal::parse(std::string(18, '9')));
    EXPECT_FALSE(decimal::parse(std::string(19, '9')));
    EXPECT_FALSE(decimal::parse(std::string(19, '0')));
    EXPECT_TRUE(decimal::parse("1." + std::string(18, '9')));
    EXPECT_FALSE(decimal::parse("1." + std::string(19, '0')));
}

TEST(DecimalSum, KeepsTheDigitsOfTheMostExactNumber) {
    EXPECT_EQ(decimal_sum().str(), "0");
    EXPECT_EQ(sum_of({"100", "0.50"}).str(), "100.50");
    EXPECT_EQ(sum_of({"1.999", "0.001"}).str(), "2.000");
    EXPECT_EQ(sum_of({"0.000000000000000001"}).str(), "0.000000000000000001");
}

TEST(DecimalSum, CarriesFromEachPartIntoTheNext) {
    const char* most = "999999999999999999.999999999999999999";
    EXPECT_EQ(sum_of({most, "0.000000000000000001"}).str(), "1000000000000000000.000000000000000000");
    EXPECT_EQ(sum_of({most, most, most}).str(), "2999999999999999999.999999999999999997");
    decimal_sum doubled = sum_of({most});
    for (int i = 0; i < 10; ++i) doubled.add(decimal_sum(doubled));
    EXPECT_EQ(doubled.str(), "1023999999999999999999.999999999999998976");
}

TEST(DecimalSum, IsAnotherOneWhicheverPartDiffers) {
    const char* most = "999999999999999999";
    const decimal_sum high = sum_of({most, "1"}); // 10^18
    EXPECT_EQ(high.str(), "1000000000000000000");
    for (const decimal_sum& one : {high, sum_of({"1"}), sum_of({"0.1"})}) {
        EXPECT_FALSE(one.is_zero()) << one.str();
        EXPECT_NE(one, decimal_sum()) << one.str();
    }
    EXPECT_TRUE(decimal_sum().is_zero());
    EXPECT_NE(sum_of({"1.5"}), sum_of({"1.6"}));
    EXPECT_NE(sum_of({"1.5"}), sum_of({"2.5"}));
}

TEST(DecimalSum, AMillionOfTheSmallestCoinsAreExact) {
    decimal_sum sum;
    for (int i = 0; i < 1'000'000; ++i) sum.add(number("0.01"));
    EXPECT_EQ(sum.str(), "10000.00");
}

TEST(DecimalSum, DifferencesHaveTheirSign) {
    EXPECT_EQ(decimal_sum::difference(sum_of({"10.00"}), sum_of({"7.5"})), "2.50");
    EXPECT_EQ(decimal_sum::difference(sum_of({"7.5"}), sum_of({"10.00"})), "-2.50");
    EXPECT_EQ(decimal_sum::difference(sum_of({"5"}), sum_of({"5.00"})), "0.00");
    // Borrowed through both parts.
    const char* most = "999999999999999999.999999999999999999";
    EXPECT_EQ(
        decimal_sum::difference(sum_of({most, "0.000000000000000001"}), sum_of({"0.000000000000000001"})),
        "999999999999999999.999999999999999999");
    EXPECT_EQ(
        decimal_sum::difference(sum_of({most, "1"}), sum_of({most, "0.000000000000000001"})), "0.999999999999999999");
}

} // namespace
} // namespace prooftrack::track
