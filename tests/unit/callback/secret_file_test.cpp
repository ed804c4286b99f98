#include "callback/secret_file.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "callback/error.hpp"
#include "callback/signing.hpp"

namespace prooftrack::callback {
namespace {

using testing::HasSubstr;

constexpr std::string_view first = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr std::string_view second = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

std::vector<std::string> secrets(const std::string& text) {
    std::vector<std::string> out;
    const auto parsed = parse_secret_file(text, "s").value();
    for (const webhook_secret& each : parsed) {
        EXPECT_EQ(each.key, parse_webhook_secret(each.text.reveal()).value());
        out.emplace_back(each.text.reveal());
    }
    return out;
}

op_error error_of(const std::string& text) {
    const auto parsed = parse_secret_file(text, "read /s");
    EXPECT_TRUE(parsed.has_error()) << text;
    return parsed.has_error() ? parsed.error() : op_error{};
}

TEST(SecretFile, HoldsOneSecretALine) {
    const std::string a(first);
    const std::string b(second);
    EXPECT_THAT(secrets(a + "\n" + b + "\n"), testing::ElementsAre(a, b));
    EXPECT_THAT(secrets("  " + a + " \r\n\t" + b + "\r\n"), testing::ElementsAre(a, b));
    EXPECT_THAT(secrets(a), testing::ElementsAre(a));
}

TEST(SecretFile, WithoutASecretIsRefused) {
    for (const char* none : {"", "\n", " \n\n", "\r\n\t"}) EXPECT_EQ(error_of(none).code, callback_error::no_secret);
    EXPECT_THAT(error_of("\n").message(), HasSubstr("read /s: there is no secret in it (make one with"));
}

TEST(SecretFile, ABlankLineIsRefusedAndNamed) {
    const std::string a(first);
    for (const std::string& text : {"\n" + a + "\n", "\r\n" + a, " \t\n" + a + "\n"}) {
        EXPECT_EQ(error_of(text).code, callback_error::blank_line);
        EXPECT_THAT(error_of(text).message(), HasSubstr("read /s: line 1: it is blank: delete it"));
    }
    for (const std::string& text : {a + "\n\n", a + "\r\n\r\n" + a + "\r\n", a + "\n \n"})
        EXPECT_THAT(error_of(text).message(), HasSubstr("line 2: it is blank"));
}

TEST(SecretFile, AMistakeNamesItsLineAndNotItsText) {
    const std::string a(first);
    for (const std::string bad : {"hush hush", "h\x01ush", "h\xc3\xbcsh", "# hush"})
        EXPECT_EQ(error_of(a + "\n" + bad + "\n").code, callback_error::secret_characters) << bad;
    EXPECT_EQ(error_of(a + "\nwhsec_hush\n").code, callback_error::secret_too_short);
    for (const std::string bad : {"hush hush", "whsec_hush", "hush"}) {
        EXPECT_THAT(error_of(a + "\n" + bad + "\n").message(), HasSubstr("line 2"));
        EXPECT_THAT(error_of(a + "\n" + bad + "\n").message(), testing::Not(HasSubstr("hush")));
    }
}

TEST(SecretFile, AByteOrderMarkIsNamed) {
    EXPECT_THAT(error_of("\xef\xbb\xbf" + std::string(first)).message(), HasSubstr("byte order mark"));
}

TEST(SecretFile, IsBounded) {
    std::string many;
    for (std::size_t i = 0; i < max_secret_lines; ++i) many += std::string(first) + "\n";
    EXPECT_EQ(secrets(many).size(), max_secret_lines);
    EXPECT_EQ(error_of(many + std::string(first)).code, callback_error::secret_lines);
    EXPECT_EQ(error_of(std::string(max_secret_line_bytes, 'a')).code, callback_error::secret_prefix);
    EXPECT_EQ(error_of(std::string(max_secret_line_bytes + 1, 'a')).code, callback_error::secret_lines);
    EXPECT_THAT(error_of(std::string(513, 'a')).message(), HasSubstr("line 1: at most 16 secrets of 512 bytes"));
}

} // namespace
} // namespace prooftrack::callback
