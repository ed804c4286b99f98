#include "net/json.hpp"

#include <string>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace prooftrack::net {
namespace {

std::optional<json_error> fault_of(std::string_view text, const json_limits& limits = {}) {
    const auto fault = find_json_fault(text, limits);
    if (!fault) return std::nullopt;
    return fault->error;
}

TEST(JsonCheck, TakesEveryKindOfWholeText) {
    for (const char* text :
         {"{}", "[]", "0", "-0", "1.10", "123456789012345678901234567890", "\"\"", "true", "null",
          " {\"a\" : [1, 2.5e3, \"\\u00e9\\ud83d\\ude00\"]} \r\n\t", "1e308", "1e-400", "\"\\ud83d\\ude00\""})
        EXPECT_EQ(fault_of(text), std::nullopt) << text;
}

TEST(JsonCheck, RefusesWhatIsNotOneWholeText) {
    EXPECT_EQ(fault_of(""), json_error::incomplete);
    EXPECT_EQ(fault_of("{\"a\":1"), json_error::incomplete);
    EXPECT_EQ(fault_of("\"abc"), json_error::incomplete);
    EXPECT_EQ(fault_of("{} {}"), json_error::extra_data);
    EXPECT_EQ(fault_of("{}x"), json_error::extra_data);
    EXPECT_EQ(fault_of("<html>"), json_error::not_json);
    EXPECT_EQ(fault_of("NaN"), json_error::not_json);
    EXPECT_EQ(fault_of("Infinity"), json_error::not_json);
    EXPECT_EQ(fault_of("{'a':1}"), json_error::not_json);
    EXPECT_EQ(fault_of("[1,]"), json_error::not_json);
    EXPECT_EQ(fault_of("01"), json_error::extra_data);
    EXPECT_EQ(fault_of("+1"), json_error::not_json);
    EXPECT_EQ(fault_of("// c\n1"), json_error::not_json);
    EXPECT_EQ(fault_of("\"a\nb\""), json_error::not_json);
    EXPECT_EQ(fault_of(std::string_view("\"a\0b\"", 5)), json_error::not_json);
}

TEST(JsonCheck, RefusesBytesThatAreNotUtf8) {
    for (const char* text :
         {"\"\xff\"", "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xe2\x82\"", "\"\x80\"",
          "\"\xf0\x80\x80\x80\"", "\xef\xbb\xbf{\"a\":\"\xfe\"}"})
        EXPECT_EQ(fault_of(text), json_error::not_utf8) << text;
    EXPECT_EQ(fault_of("\"\xf4\x8f\xbf\xbf \xed\x9f\xbf \xc3\xa9 \xe2\x82\xac\""), std::nullopt);
    EXPECT_EQ(fault_of("\xef\xbb\xbf{}"), json_error::not_json) << "a byte order mark is not JSON";
}

TEST(JsonCheck, RefusesALoneSurrogate) {
    for (const char* text :
         {"\"\\ud800\"", "\"\\ud800x\"", "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\udc00\"", "{\"\\udfff\":1}"})
        EXPECT_EQ(fault_of(text), json_error::lone_surrogate) << text;
}

TEST(JsonCheck, RefusesADuplicateKeyAtAnyDepthAndSpelling) {
    EXPECT_EQ(fault_of(R"({"a":1,"a":1})"), json_error::duplicate_key);
    EXPECT_EQ(fault_of(R"({"a":1,"\u0061":2})"), json_error::duplicate_key);
    EXPECT_EQ(fault_of(R"([{"x":{"b":1,"c":{},"b":2}}])"), json_error::duplicate_key);
    EXPECT_EQ(fault_of(R"({"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]})"), std::nullopt);
    EXPECT_EQ(find_json_fault(R"({"sp\u0061m":1,"spam":1})")->name, "spam");
    json_limits lenient;
    lenient.allow_duplicate_keys = true;
    EXPECT_EQ(fault_of(R"({"a":1,"a":1})", lenient), std::nullopt);
}

TEST(JsonCheck, AManyKeyedObjectIsCheckedInTime) {
    std::string text = "{";
    for (int i = 0; i < 100'000; ++i) text += "\"k" + std::to_string(i) + "\":0,";
    EXPECT_EQ(fault_of(text + "\"k77\":0}"), json_error::duplicate_key);
    EXPECT_EQ(fault_of(text + "\"x\":0}"), std::nullopt);
}

TEST(JsonCheck, DepthEndsAt32) {
    const auto nested = [](std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_EQ(fault_of(nested(32)), std::nullopt);
    EXPECT_EQ(fault_of(nested(33)), json_error::too_deep);
    EXPECT_EQ(fault_of(std::string(1'000'000, '[')), json_error::too_deep);
    std::string objects;
    for (int i = 0; i < 33; ++i) objects += "{\"a\":";
    EXPECT_EQ(fault_of(objects), json_error::too_deep);
}

TEST(JsonCheck, RefusesANumberThatOverflows) {
    for (const char* text :
         {"1e309", "-1e400", "1e99999999999", "1e2147483648", "[1e-99999999999]", "1.7976931348623159e308"})
        EXPECT_EQ(fault_of(text), json_error::number_overflow) << text;
    EXPECT_EQ(fault_of("1" + std::string(400, '0')), json_error::number_overflow);
    json_limits lenient;
    lenient.allow_number_overflow = true;
    EXPECT_EQ(fault_of("1e309", lenient), std::nullopt);
    EXPECT_EQ(fault_of("0." + std::string(400, '0') + "1"), std::nullopt) << "too small is not too large";
}

TEST(JsonCheck, AFaultSaysWhere) {
    const auto fault = find_json_fault("{\"a\": tru }");
    ASSERT_TRUE(fault);
    EXPECT_GE(fault->offset, 6U);
    EXPECT_LE(fault->offset, 10U);
    EXPECT_THAT(fault->message(), testing::HasSubstr("byte "));
}

TEST(JsonMembers, GivesTheBytesOfEachValueInOrder) {
    const std::string text =
        " { \"b\" : 1.10 , \"\\u0061\":{\"x\" : [1, \"}\"] } ,\"s\":\"a\\\"]}\" , \"n\":null,\"a\\\\\":[ ] }\n";
    const auto members = top_level_members(text);
    ASSERT_TRUE(members.has_value());
    ASSERT_EQ(members->size(), 5U);
    EXPECT_EQ((*members)[0].key, "b");
    EXPECT_EQ((*members)[0].value, "1.10");
    EXPECT_EQ((*members)[1].key, "a");
    EXPECT_EQ((*members)[1].value, "{\"x\" : [1, \"}\"] }");
    EXPECT_EQ((*members)[2].value, "\"a\\\"]}\"");
    EXPECT_EQ((*members)[3].value, "null");
    EXPECT_EQ((*members)[4].key, "a\\");
    EXPECT_EQ((*members)[4].value, "[ ]");
    for (const auto& member : *members) {
        EXPECT_GE(member.value.data(), text.data());
        EXPECT_LE(member.value.data() + member.value.size(), text.data() + text.size());
    }
}

TEST(JsonMembers, AnEmptyObjectHasNone) {
    EXPECT_TRUE(top_level_members("{}")->empty());
    EXPECT_TRUE(top_level_members(" { } ")->empty());
}

TEST(JsonMembers, RefusesWhatIsNotAValidObject) {
    EXPECT_EQ(top_level_members("[]").error(), json_error::not_object);
    EXPECT_EQ(top_level_members("\"{}\"").error(), json_error::not_object);
    EXPECT_EQ(top_level_members("7").error(), json_error::not_object);
    EXPECT_EQ(top_level_members("{\"a\":}").error(), json_error::not_json);
    EXPECT_EQ(top_level_members("{\"a\":1,\"a\":2}").error(), json_error::duplicate_key);
    json_limits lenient;
    lenient.allow_duplicate_keys = true;
    EXPECT_EQ(top_level_members("{\"a\":1,\"a\":2}", lenient)->size(), 2U);
}

TEST(JsonMembers, DecodesStringsOnly) {
    EXPECT_EQ(
        decode_json_string(R"("a\"\\\/\b\f\n\r\tA\u00e9\u20ac\ud83d\ude00\u0000.")"),
        std::string("a\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\0.", 21));
    EXPECT_EQ(decode_json_string("\"\""), "");
    EXPECT_EQ(decode_json_string("null"), std::nullopt);
    EXPECT_EQ(decode_json_string("7"), std::nullopt);
}

TEST(JsonMembers, DecodesArraysOfStringsOnly) {
    using texts = std::vector<std::string>;
    EXPECT_EQ(decode_string_array(R"([ "a" ,"b\n","]" ])"), (texts{"a", "b\n", "]"}));
    EXPECT_EQ(decode_string_array("[ ]"), texts());
    for (const char* other : {R"("a")", R"(["a",7])", R"([["a"]])", "null", R"({"a":"b"})"})
        EXPECT_EQ(decode_string_array(other), std::nullopt) << other;
}

TEST(JsonCanonical, EqualValuesHaveOneSpelling) {
    const auto canonical = [](std::string_view text) { return canonical_json(text).value(); };
    EXPECT_EQ(canonical(R"({"b":1,"a":2})"), canonical(" { \"a\" : 2.0 ,\n \"b\" : 10e-1 } "));
    EXPECT_EQ(canonical("1.10"), canonical("1.1"));
    EXPECT_EQ(canonical("11e-1"), canonical("1.1"));
    EXPECT_EQ(canonical("1E+2"), canonical("100"));
    EXPECT_EQ(canonical("-0.0e5"), canonical("0"));
    EXPECT_EQ(canonical("0.00100"), canonical("1e-3"));
    EXPECT_EQ(canonical(R"("\u0041\/\n")"), canonical("\"A/\\u000a\""));
    EXPECT_EQ(canonical(R"("\ud83d\ude00")"), canonical("\"\xf0\x9f\x98\x80\""));
    EXPECT_EQ(canonical("[1,[2,{}],\"x\",true,null]"), canonical(" [ 1 , [ 2 , { } ] , \"x\" , true , null ] "));
}

TEST(JsonCanonical, DifferentValuesDiffer) {
    const auto canonical = [](std::string_view text) { return canonical_json(text).value(); };
    EXPECT_NE(canonical("12345678901234567890123"), canonical("12345678901234567890124"));
    EXPECT_NE(canonical("1"), canonical("\"1\""));
    EXPECT_NE(canonical("1"), canonical("-1"));
    EXPECT_NE(canonical("1"), canonical("10"));
    EXPECT_NE(canonical("[1,2]"), canonical("[2,1]"));
    EXPECT_NE(canonical("[]"), canonical("{}"));
    EXPECT_NE(canonical("[\"a,b\"]"), canonical("[\"a\",\"b\"]"));
    EXPECT_NE(canonical("{\"a\":null}"), canonical("{}"));
    EXPECT_NE(canonical("1e-400"), canonical("0")) << "decimals are exact";
}

TEST(JsonCanonical, IsJsonAndStaysAsItIs) {
    for (const char* text : {R"({"z":[1.50,{"y":"\u0001\"\\"}],"a":-12.5e-7})", "[]", "{}", "[[],{}]", "1e5", "\"\""}) {
        const auto once = canonical_json(text);
        ASSERT_TRUE(once.has_value());
        EXPECT_EQ(canonical_json(*once).value(), *once);
    }
    EXPECT_EQ(canonical_json("{\"a\":1,\"a\":1}").error(), json_error::duplicate_key);
    EXPECT_EQ(canonical_json("[1").error(), json_error::incomplete);
    json_limits lenient;
    lenient.allow_duplicate_keys = true;
    EXPECT_EQ(
        canonical_json("{\"a\":1,\"b\":3,\"a\":2}", lenient).value(), canonical_json("{\"b\":3,\"a\":2}").value());
}

TEST(JsonProperties, AnyBytesAreJudgedAsBoostJudgesThemOrStricter) {
    const auto alphabet = std::string("{}[]\",:\\u0019dDeE+-. truefalsn\n") + "\xc3\xa9\xff";
    const bool held = rc::check([&] {
        const auto text = *rc::gen::container<std::string>(rc::gen::elementOf(alphabet));
        error_code error;
        boost::json::parse(text, error);
        if (!find_json_fault(text)) {
            RC_ASSERT(!error);
            RC_ASSERT(canonical_json(text).has_value());
        }
    });
    EXPECT_TRUE(held);
}

} // namespace
} // namespace prooftrack::net
