#include <gtest/gtest.h>

#include "base/csv.hpp"

namespace prooftrack {
namespace {

std::string cell(std::string_view text) {
    std::string out;
    append_csv_cell(out, text);
    return out;
}

TEST(Csv, QuotesOnlyWhereItMust) {
    EXPECT_EQ(cell(""), "");
    EXPECT_EQ(cell("plain text; ä"), "plain text; ä");
    EXPECT_EQ(cell("a,b"), "\"a,b\"");
    EXPECT_EQ(cell("a\nb"), "\"a\nb\"");
    EXPECT_EQ(cell("a\rb"), "\"a\rb\"");
    EXPECT_EQ(cell(R"({"k":1})"), R"("{""k"":1}")");
}

TEST(Csv, AFormulaIsTextToASpreadsheet) {
    for (const std::string_view formula : {"=1+1", "+1", "@SUM(A1)", "\ttab", "-2+3", "-", "-cmd", "-1.", "-1e", "-.5"})
        EXPECT_EQ(cell(formula), "'" + std::string(formula));
    EXPECT_EQ(cell("\rx"), "\"'\rx\"");
    EXPECT_EQ(cell("=HYPERLINK(\"a\")"), "\"'=HYPERLINK(\"\"a\"\")\"");
    EXPECT_EQ(cell("=a,b"), "\"'=a,b\"");
}

TEST(Csv, ANumberBelowZeroStaysOne) {
    for (const std::string_view number : {"-1", "-1.10", "-2e-5", "-2E+5", "-0", "1", "a-1"})
        EXPECT_EQ(cell(number), number);
}

} // namespace
} // namespace prooftrack
