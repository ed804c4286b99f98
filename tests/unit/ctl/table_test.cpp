#include <gtest/gtest.h>

#include <sstream>

#include "prooftrackctl/table.hpp"
#include "prooftrackctl/text.hpp"

namespace prooftrack::ctl {
namespace {

look wide(std::size_t width) {
    look how;
    how.width = width;
    return how;
}

table two_rows() {
    table rows({{"ID", false, 8}, {"N", true}, {"POLLS", true, 0, true}, {"ERROR", false, 5}});
    rows.add({{"550e8400-e29b-41d4-a716-446655440000"}, {"7"}, {"12"}, {"500 internal_error"}});
    rows.add({{"short"}, {"12,345"}, {"1"}, {""}});
    return rows;
}

TEST(Table, AlignsColumnsAndEndsNoLineInSpaces) {
    EXPECT_EQ(
        two_rows().format(wide(0)), "ID                                         N  POLLS  ERROR\n"
                                    "550e8400-e29b-41d4-a716-446655440000       7     12  500 internal_error\n"
                                    "short                                 12,345      1\n");
}

TEST(Table, LeavesOutOptionalColumnsBeforeItCuts) {
    EXPECT_EQ(
        two_rows().format(wide(64)), "ID                                         N  ERROR\n"
                                     "550e8400-e29b-41d4-a716-446655440000       7  500 internal_error\n"
                                     "short                                 12,345\n");
}

TEST(Table, FitsEveryWidthDownToTheLeast) {
    for (std::size_t width = 25; width < 100; ++width) {
        std::istringstream lines(two_rows().format(wide(width)));
        for (std::string line; std::getline(lines, line);) EXPECT_LE(display_width(line), width) << line;
    }
}

TEST(Table, PagesKeepTheirColumnsAndOneTitle) {
    table rows = two_rows();
    rows.format(wide(0));
    rows.add({{"x"}, {"1"}, {"2"}, {"e"}});
    EXPECT_EQ(rows.format(wide(0)), "x                                          1      2  e\n");
}

TEST(Table, ColoursOnlyWhereTheyAreWelcome) {
    look colours = wide(80);
    colours.colour = true;
    EXPECT_EQ(painted("x", paint::bad, colours), "\x1b[31mx\x1b[0m");
    EXPECT_EQ(painted("x", paint::bad, wide(80)), "x");
    EXPECT_EQ(painted("", paint::bad, colours), "");
}

TEST(Text, ControlCharactersNeverReachTheTerminal) {
    EXPECT_EQ(printable("a\x1b[2Jb\r\n\x7f"), "a\\x1b[2Jb\\x0d\\x0a\\x7f");
    EXPECT_EQ(
        printable("\xC2\x9B"
                  "31m"),
        "\\x9b31m");                                     // a C1 escape
    EXPECT_EQ(printable("x\xE2\x80\xAEy"), "x\\u202ey"); // right-to-left override
    EXPECT_EQ(printable("\xFF\xC3"), "\\xff\\xc3");      // not UTF-8
    EXPECT_EQ(printable("gr\xC3\xBC\xC3\x9F"), "gr\xC3\xBC\xC3\x9F");
}

TEST(Text, WidthCountsColumnsNotBytes) {
    EXPECT_EQ(display_width("gr\xC3\xBC\xC3\x9F"), 4U);
    EXPECT_EQ(display_width("\xE4\xBD\xA0"), 2U); // a CJK character
    EXPECT_EQ(display_width("e\xCC\x81"), 1U);    // e and a combining accent
    EXPECT_EQ(cut_to_width("\xE4\xBD\xA0\xE5\xA5\xBD\xE5\x90\x97", 5, "~"), "\xE4\xBD\xA0\xE5\xA5\xBD~");
    EXPECT_EQ(cut_to_width("abcdef", 6, "~"), "abcdef");
    EXPECT_EQ(cut_to_width("abcdef", 5, "~"), "abcd~");
    EXPECT_EQ(cut_to_width("abc", 0, "~"), "");
}

TEST(Text, TimesAreSaidInTwoUnitsAtMost) {
    EXPECT_EQ(short_duration(milliseconds(850)), "850ms");
    EXPECT_EQ(short_duration(milliseconds(59'999)), "59s");
    EXPECT_EQ(short_duration(milliseconds(200'000)), "3m 20s");
    EXPECT_EQ(short_duration(milliseconds(7'500'000)), "2h 5m");
    EXPECT_EQ(short_duration(milliseconds(90'000'000)), "1d 1h");
    EXPECT_EQ(short_duration(milliseconds(-5)), "0ms");
    const wall_time now = *parse_wall_time("2026-04-01T10:00:00Z");
    EXPECT_EQ(relative_time("2026-04-01T09:56:40.000Z", now), "3m 20s ago");
    EXPECT_EQ(relative_time("2026-04-01T10:00:04.000Z", now), "in 4s");
    EXPECT_EQ(relative_time("2026-04-01T10:00:00.500Z", now), "now");
    EXPECT_EQ(relative_time("", now), "-");
    EXPECT_EQ(compact_time("2026-04-01T09:56:40.000Z", now), "3m");
    EXPECT_EQ(compact_time("2026-04-01T10:02:04.000Z", now), "in 2m");
}

TEST(Text, NumbersAndSizes) {
    EXPECT_EQ(grouped(0), "0");
    EXPECT_EQ(grouped(999), "999");
    EXPECT_EQ(grouped(1'234'567), "1,234,567");
    EXPECT_EQ(byte_size(1023), "1023 B");
    EXPECT_EQ(byte_size(1536), "1.5 KiB");
    EXPECT_EQ(byte_size(44'040'192), "42.0 MiB");
    EXPECT_EQ(byte_size(1024UL * 1024 - 1), "1.0 MiB");
}

TEST(Text, WrapsWordsWithinTheWidth) {
    EXPECT_EQ(wrapped("one two three four", 9, "  "), "  one two\n  three\n  four\n");
    EXPECT_EQ(wrapped("one two", 0, "  "), "  one two\n");
    EXPECT_EQ(wrapped("unbreakable", 4, ""), "unbreakable\n");
}

TEST(Table, AColumnThatIsOftenEmptyIsLeftOutUntilARowHasIt) {
    table rows({{"ID"}, {"NOTE", false, 0, false, 0, true}});
    rows.add({{"a"}, {""}});
    EXPECT_EQ(rows.format(wide(0)), "ID\na\n");
    rows.add({{"b"}, {"x"}});
    EXPECT_EQ(rows.format(wide(0)), "b   x\n");
    table full({{"ID"}, {"NOTE", false, 0, false, 0, true}});
    full.add({{"a"}, {""}});
    full.add({{"b"}, {"x"}});
    EXPECT_EQ(full.format(wide(0)), "ID  NOTE\na\nb   x\n");
}

} // namespace
} // namespace prooftrack::ctl
