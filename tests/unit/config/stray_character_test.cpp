#include "config/stray_character.hpp"

#include <gtest/gtest.h>

namespace prooftrack::config {
namespace {

TEST(StrayCharacter, StandsOutsideOfStringsAndComments) {
    for (const char* fine :
         {"", "# \xC7\xBF", "a = \"\xC7\xBF\"", "a = '\xC7\xBF'", "a = \"\"\"\n\xC7\xBF \" \"\" \\\" \"\"\"\n",
          "a = '''\n\xC7\xBF ''\\'''\n", "\357\273\277a = 1", "a = \"\\\"\xC7\xBF\" # \xC7\xBF\nb = 1"}) {
        EXPECT_FALSE(find_stray_character(fine)) << fine;
    }
}

TEST(StrayCharacter, IsFoundWithItsLineAndColumn) {
    const auto where = find_stray_character("a = \"\xC3\xA4\" # \xC3\xA4\nb = \"\xC3\xA4\"\xC7\xBF");
    ASSERT_TRUE(where);
    EXPECT_EQ(where->line, 2U);
    EXPECT_EQ(where->column, 8U);
    EXPECT_TRUE(find_stray_character("base_url = \xC7\xBFttps"));
    EXPECT_TRUE(find_stray_character("a = \"unfinished\n\xC7\xBF"));
}

} // namespace
} // namespace prooftrack::config
