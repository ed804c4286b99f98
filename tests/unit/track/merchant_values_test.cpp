#include <gtest/gtest.h>

#include <string>

#include "track/merchant_values.hpp"

namespace prooftrack::track {
namespace {

TEST(MerchantValues, BlanksAroundAValueDoNotCount) {
    EXPECT_EQ(trim_blanks(" \ta b\t "), "a b");
    EXPECT_EQ(trim_blanks(" \t"), "");
    EXPECT_EQ(trim_blanks(""), "");
    merchant_line line;
    EXPECT_EQ(read_id("\tid-1 ", line), "");
    EXPECT_EQ(line.id, "id-1");
    for (const auto read : {read_status, read_amount, read_currency, read_credited}) EXPECT_EQ(read(" ", line), "");
    EXPECT_FALSE(line.belief.status || line.belief.fiat_amount || line.belief.fiat_currency || line.belief.credited);
}

TEST(MerchantValues, AnIdIsNeededAndHasItsRule) {
    merchant_line line;
    EXPECT_EQ(read_id(" ", line), "no merchant_transaction_id");
    EXPECT_TRUE(read_id("a b", line).starts_with("'a b' is no id: "));
    const std::string longest(128, 'i');
    EXPECT_EQ(read_id(longest, line), "");
    const std::string wrong = read_id(longest + "i", line);
    EXPECT_TRUE(wrong.starts_with("'" + std::string(40, 'i') + "…' is no id")) << wrong;
}

TEST(MerchantValues, AStatusIsAnyWordOfABoundedLength) {
    merchant_line line;
    const std::string longest(max_status_length, 's');
    EXPECT_EQ(read_status(longest, line), "");
    EXPECT_EQ(line.belief.status, longest);
    EXPECT_EQ(read_status(longest + "s", line), "status is longer than 64 bytes");
}

TEST(MerchantValues, AnAmountIsADecimal) {
    merchant_line line;
    EXPECT_EQ(read_amount("1234.50", line), "");
    EXPECT_EQ(line.belief.fiat_amount, "1234.50");
    for (const char* bad : {"1,000", "-1", "1e2", "1.", "EUR 1"})
        EXPECT_NE(read_amount(bad, line).find("is no fiat_amount"), std::string::npos) << bad;
}

TEST(MerchantValues, ACurrencyIsACode) {
    merchant_line line;
    const std::string longest(reconcile_totals::max_currency_length, 'C');
    EXPECT_EQ(read_currency(longest, line), "");
    EXPECT_EQ(line.belief.fiat_currency, longest);
    EXPECT_NE(read_currency(longest + "C", line), "");
    EXPECT_NE(read_currency("E-R", line), "");
    EXPECT_EQ(read_currency("usd1", line), "");
}

TEST(MerchantValues, CreditedIsYesOrNo) {
    for (const char* yes : {"true", "YES", "1"}) {
        merchant_line line;
        EXPECT_EQ(read_credited(yes, line), "");
        EXPECT_EQ(line.belief.credited, true) << yes;
    }
    for (const char* no : {"False", "no", "0"}) {
        merchant_line line;
        EXPECT_EQ(read_credited(no, line), "");
        EXPECT_EQ(line.belief.credited, false) << no;
    }
    merchant_line line;
    for (const char* bad : {"maybe", "2", "truetruetrue"})
        EXPECT_NE(read_credited(bad, line).find("true or false"), std::string::npos) << bad;
    EXPECT_EQ(line.belief.credited, std::nullopt);
}

} // namespace
} // namespace prooftrack::track
