#include <gtest/gtest.h>

#include "prooftrackctl/json_view.hpp"

namespace prooftrack::ctl {
namespace {

TEST(JsonView, CutsValuesAsTheBytesTheyAre) {
    const std::string text =
        " {\"a\" : 1.10, \"b\":[1 , {\"c\":\"}\"},\"x\\\"]\"],\n \"big\":12345678901234567890123 } \n";
    const json_view json = json_view::parse(text);
    EXPECT_EQ(json["a"].raw(), "1.10");
    EXPECT_EQ(json["big"].raw(), "12345678901234567890123");
    const auto elements = json["b"].elements();
    ASSERT_EQ(elements.size(), 3U);
    EXPECT_EQ(elements[1].raw(), "{\"c\":\"}\"}");
    EXPECT_EQ(elements[1]["c"].string(), "}");
    EXPECT_EQ(elements[2].string(), "x\"]");
}

TEST(JsonView, DistinguishesTypes) {
    const json_view json = json_view::parse(R"({"n":null,"t":true,"s":"x","i":7,"d":1.5,"neg":-3})");
    EXPECT_TRUE(json["n"].is_null());
    EXPECT_EQ(json["n"].text(), "");
    EXPECT_EQ(json["t"].boolean(), true);
    EXPECT_EQ(json["i"].unsigned_integer(), 7U);
    EXPECT_EQ(json["d"].number(), 1.5);
    EXPECT_EQ(json["d"].unsigned_integer(), std::nullopt);
    EXPECT_EQ(json["neg"].unsigned_integer(), std::nullopt);
    EXPECT_TRUE(json["absent"].is_missing());
    EXPECT_TRUE(json["absent"]["deeper"].is_missing());
    EXPECT_EQ(json["s"].unsigned_integer(), std::nullopt);
}

TEST(JsonView, DecodesEscapes) {
    EXPECT_EQ(json_view::parse(R"("a\n\u00e9\ud83d\ude00\/")").string(), "a\n\xC3\xA9\xF0\x9F\x98\x80/");
    EXPECT_EQ(json_view::parse(R"({"\u0061":1})")["a"].raw(), "1");
}

TEST(JsonView, RefusesWhatDoesNotClose) {
    for (const char* text : {"", " ", "{", "[1", "\"a", "{]", "{} x", "[1]]", "\"\\", "<html>", "nul"}) {
        EXPECT_TRUE(json_view::parse(text).is_missing()) << text;
    }
}

TEST(JsonView, NeverReadsBeyondATruncatedText) {
    const std::string text = R"({"a":[{"b":"c\"d"},1.5,null,true],"e":{"f":[]}})";
    for (std::size_t length = 0; length < text.size(); ++length) {
        const std::string cut = text.substr(0, length);
        const json_view json = json_view::parse(cut);
        EXPECT_TRUE(json.is_missing()) << cut;
    }
    EXPECT_FALSE(json_view::parse(text).is_missing());
}

TEST(JsonView, OneLineTurnsLineBreaksIntoSpacesAndNothingElse) {
    EXPECT_EQ(one_line("\r\n{\"a\" :\r\n 1.10,\t\"b\":\"x\\n\"}\n"), "{\"a\" :   1.10,\t\"b\":\"x\\n\"}");
}

} // namespace
} // namespace prooftrack::ctl
