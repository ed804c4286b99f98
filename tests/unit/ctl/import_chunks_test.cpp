#include <gtest/gtest.h>

#include <vector>

#include <fmt/format.h>

#include "prooftrackctl/import_chunks.hpp"

namespace prooftrack::ctl {
namespace {

struct collected {
    std::vector<import_chunk> chunks;
    std::vector<std::uint64_t> too_long;
};

collected chunk(const std::vector<std::string>& pieces) {
    collected all;
    import_chunker chunker(
        [&all](const import_chunk& one) { all.chunks.push_back(one); },
        [&all](std::uint64_t line, std::string_view) { all.too_long.push_back(line); });
    for (const std::string& piece : pieces) chunker.take(piece);
    chunker.finish();
    return all;
}

TEST(ImportChunks, LinesAreWrappedTrimmedAndPassedOn) {
    EXPECT_EQ(format_import_line("  abc-1\r"), "\"abc-1\"");
    EXPECT_EQ(format_import_line("\"abc-1\""), "\"abc-1\"");
    EXPECT_EQ(
        format_import_line(R"({"merchant_transaction_id":"x","metadata":{"n":1.10}} )"),
        R"({"merchant_transaction_id":"x","metadata":{"n":1.10}})");
    EXPECT_EQ(format_import_line(" \t\r"), "");
    EXPECT_EQ(format_import_line("a\"b"), R"("a\"b")");
}

TEST(ImportChunks, NumbersCountEmptyLinesAcrossChunks) {
    std::string file = "\xEF\xBB\xBF"
                       "first\n\n";
    for (std::size_t i = 0; i < import_chunker::max_lines; ++i) file += fmt::format("id-{}\n", i);
    file += "\nlast"; // no LF behind it
    const auto all = chunk({file});
    ASSERT_EQ(all.chunks.size(), 2U);
    EXPECT_EQ(all.chunks[0].lines.size(), import_chunker::max_lines);
    EXPECT_EQ(all.chunks[0].lines[0], 1U);
    EXPECT_EQ(all.chunks[0].lines[1], 3U);
    EXPECT_TRUE(all.chunks[0].body.starts_with("\"first\"\n\"id-0\"\n"));
    const std::vector<std::uint64_t> rest{10'002, 10'004};
    EXPECT_EQ(all.chunks[1].lines, rest);
}

TEST(ImportChunks, PiecesMayBreakAnywhere) {
    const std::string file = "a\r\n\"b\"\n{\"merchant_transaction_id\":\"c\"}\n\nd\n";
    const auto whole = chunk({file});
    for (std::size_t at = 0; at <= file.size(); ++at) {
        const auto split = chunk({file.substr(0, at), file.substr(at)});
        ASSERT_EQ(split.chunks.size(), 1U);
        EXPECT_EQ(split.chunks[0].body, whole.chunks[0].body);
        EXPECT_EQ(split.chunks[0].lines, whole.chunks[0].lines);
    }
}

TEST(ImportChunks, ALineOverTheLimitIsReportedAndLeftOut) {
    const std::string most(import_chunker::max_line, 'x');
    const auto all = chunk({"a\n", most, "x\nb\n", most, "\nc"});
    EXPECT_EQ(all.too_long, std::vector<std::uint64_t>{2});
    ASSERT_EQ(all.chunks.size(), 1U);
    const std::vector<std::uint64_t> lines{1, 3, 4, 5};
    EXPECT_EQ(all.chunks[0].lines, lines);
}

TEST(ImportChunks, ChunksAreBoundedInBytes) {
    const std::string line(60'000, 'y');
    std::vector<std::string> pieces;
    for (int i = 0; i < 300; ++i) pieces.push_back(line + "\n");
    const auto all = chunk(pieces);
    std::size_t lines = 0;
    for (const import_chunk& one : all.chunks) {
        EXPECT_LE(one.body.size(), import_chunker::max_bytes);
        lines += one.lines.size();
    }
    EXPECT_EQ(lines, 300U);
    EXPECT_EQ(all.chunks.size(), 3U);
}

TEST(ImportChunks, NothingIsSentForAnEmptyFile) {
    EXPECT_TRUE(chunk({}).chunks.empty());
    EXPECT_TRUE(chunk({"\n \n\r\n"}).chunks.empty());
}

} // namespace
} // namespace prooftrack::ctl
