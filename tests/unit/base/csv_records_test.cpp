#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/csv_records.hpp"

namespace prooftrack {
namespace {

using fields = std::vector<std::string>;

struct read_records {
    std::vector<std::pair<std::uint64_t, fields>> records;
    std::vector<std::pair<std::uint64_t, std::string>> faults;
    std::vector<fields> before_fault;
    std::vector<bool> swallows;
};

read_records read(const std::vector<std::string>& pieces) {
    read_records all;
    csv_records reader(
        [&all](std::uint64_t line, const std::vector<std::string_view>& one) {
            all.records.emplace_back(line, fields(one.begin(), one.end()));
        },
        [&all](const csv_records::fault& fault) {
            all.faults.emplace_back(fault.line, fault.why);
            all.before_fault.emplace_back(fault.fields.begin(), fault.fields.end());
            all.swallows.push_back(fault.swallows_lines);
        });
    for (const std::string& piece : pieces) reader.take(piece);
    reader.finish();
    return all;
}

TEST(CsvRecords, FieldsQuotesAndLineEnds) {
    const std::string text = "a,b,c\r\n"
                             "1,,\n"
                             "\"x,y\",\"say \"\"hi\"\"\",\"two\r\nlines\"\r\n"
                             "\n\r\n"
                             "\"\"\n"
                             "last, with spaces ,\"\"";
    const auto all = read({text});
    ASSERT_TRUE(all.faults.empty()) << all.faults[0].second;
    ASSERT_EQ(all.records.size(), 5U);
    EXPECT_EQ(all.records[0], (std::pair<std::uint64_t, fields>(1, {"a", "b", "c"})));
    EXPECT_EQ(all.records[1], (std::pair<std::uint64_t, fields>(2, {"1", "", ""})));
    EXPECT_EQ(all.records[2], (std::pair<std::uint64_t, fields>(3, {"x,y", "say \"hi\"", "two\r\nlines"})));
    EXPECT_EQ(all.records[3], (std::pair<std::uint64_t, fields>(7, {""}))); // quoted, so not an empty line
    EXPECT_EQ(all.records[4], (std::pair<std::uint64_t, fields>(8, {"last", " with spaces ", ""})));
}

TEST(CsvRecords, PiecesMayBreakAnywhere) {
    const std::string text = "a,\"b\"\"\r\n\",c\r\n\r\nx\"y,2\n3,\"4\"\r\n\"5\"6\n7,8";
    const auto whole = read({text});
    EXPECT_EQ(whole.records.size(), 3U);
    EXPECT_EQ(whole.faults.size(), 2U);
    for (std::size_t at = 0; at <= text.size(); ++at) {
        const auto split = read({text.substr(0, at), text.substr(at)});
        EXPECT_EQ(split.records, whole.records) << at;
        EXPECT_EQ(split.faults, whole.faults) << at;
        EXPECT_EQ(split.before_fault, whole.before_fault) << at;
        EXPECT_EQ(split.swallows, whole.swallows) << at;
    }
}

TEST(CsvRecords, WhatBreaksTheRulesIsOneLineLost) {
    const auto all = read({"ok,1\nbad\"quote,2\nok,3\n\"bad\"x,4\nok,5\n\"bad\"\rx\nok,7\n\"open,8\nok,9\n"});
    ASSERT_EQ(all.faults.size(), 4U);
    EXPECT_EQ(all.faults[0].first, 2U);
    EXPECT_EQ(all.faults[1].first, 4U);
    EXPECT_EQ(all.faults[2].first, 6U);
    EXPECT_EQ(all.faults[3].first, 8U); // where the quote that is not closed began
    ASSERT_EQ(all.records.size(), 4U);
    EXPECT_EQ(all.records[3].first, 7U);
}

TEST(CsvRecords, AFaultTellsWhichFieldsEndedBeforeItAndWhetherLinesAreLost) {
    const auto all = read(
        {"a,b,c\"d,e\n\"x\",\"y\"z,w\nq\"\n1,\"two\nlines,3\n4,\"5\n\"k\"\rl\n" +
         ("long," + std::string(csv_records::max_record, 'x')) + "\nlast,\"open\nswallowed,1\n"});
    EXPECT_EQ(all.before_fault, (std::vector<fields>{{"a", "b"}, {"x"}, {}, {"1"}, {}, {"long"}, {"last"}}));
    EXPECT_EQ(all.swallows, (std::vector<bool>{false, false, false, true, true, false, true}));
    EXPECT_TRUE(all.records.empty());
    EXPECT_EQ(read({"a,\"open"}).swallows, std::vector<bool>{false}); // there is no line to lose
}

TEST(CsvRecords, ARecordIsBounded) {
    const std::string longest(csv_records::max_record, 'x');
    auto all = read({longest + "\nnext\n"});
    EXPECT_TRUE(all.faults.empty());
    EXPECT_EQ(all.records.size(), 2U);
    all = read({longest + "x\nnext\n"});
    ASSERT_EQ(all.faults.size(), 1U);
    EXPECT_EQ(all.faults[0].first, 1U);
    ASSERT_EQ(all.records.size(), 1U);
    EXPECT_EQ(all.records[0].first, 2U);
    // A quote that does not close takes no more than that with it.
    std::string lines = "\"open\n";
    while (lines.size() <= csv_records::max_record) lines += "filler\n";
    all = read({lines + "after\n"});
    ASSERT_EQ(all.faults.size(), 1U);
    EXPECT_EQ(all.faults[0].first, 1U);
    ASSERT_FALSE(all.records.empty());
    EXPECT_EQ(all.records.back().second, fields{"after"});
}

TEST(CsvRecords, TheNumberOfFieldsIsBounded) {
    auto all = read({std::string(csv_records::max_fields - 1, ',') + "\n"});
    ASSERT_EQ(all.records.size(), 1U);
    EXPECT_EQ(all.records[0].second.size(), csv_records::max_fields);
    all = read({std::string(csv_records::max_fields, ',') + "\nnext\n"});
    EXPECT_EQ(all.faults.size(), 1U);
    ASSERT_EQ(all.records.size(), 1U);
    EXPECT_EQ(all.records[0].first, 2U);
}

} // namespace
} // namespace prooftrack
