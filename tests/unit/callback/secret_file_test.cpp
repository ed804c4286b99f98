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

std::vector<std::string> headers(const std::string& text) {
    const auto parsed = parse_header_file(text, "h");
    if (!parsed) {
        ADD_FAILURE() << parsed.error().message();
        return {};
    }
    std::vector<std::string> out;
    for (const secret_header& each : *parsed) out.push_back(each.name + "|" + std::string(each.value.reveal()));
    return out;
}

op_error header_error(const std::string& text) {
    const auto parsed = parse_header_file(text, "read /h");
    EXPECT_TRUE(parsed.has_error()) << text;
    return parsed.has_error() ? parsed.error() : op_error{};
}

TEST(HeaderFile, HoldsLinesOfNameAndValue) {
    EXPECT_THAT(
        headers("Authorization: Bearer a:b=\nX-Key:k \t\r\nUser-Agent:\tshop gateway\r\n"),
        testing::ElementsAre("Authorization|Bearer a:b=", "X-Key|k", "User-Agent|shop gateway"));
    EXPECT_THAT(headers("\nX-Key: k\n \t\n\r\nX-Other: o"), testing::ElementsAre("X-Key|k", "X-Other|o"));
    for (const char* none : {"", "\n", "\r\n", " \n\t\r\n"}) EXPECT_THAT(headers(none), testing::IsEmpty());
}

TEST(HeaderFile, WhatTheDaemonWritesItselfIsRefusedInAnySpelling) {
    for (const char* name :
         {"webhook-id", "Webhook-Signature", "WEBHOOK-X", "webhook-", "Host", "host", "Content-Type", "CONTENT-LENGTH",
          "content-encoding", "Transfer-Encoding", "Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
          "Upgrade", "Expect"}) {
        const op_error error = header_error("X-Key: k\n" + std::string(name) + ": hush\n");
        EXPECT_EQ(error.code, callback_error::header_reserved) << name;
        EXPECT_THAT(error.message(), HasSubstr("read /h: line 2: the daemon writes this header itself"));
    }
    EXPECT_THAT(headers("X-Host: a\nHosts: b\nX-webhook-id: c\nX-Content-Type: d\n"), testing::SizeIs(4));
}

TEST(HeaderFile, NothingIsTakenThatCouldBecomeAnotherHeader) {
    for (const std::string bad :
         {"hush", ": hush", "X Key: hush", "X-Key : hush", " X-Key: hush", "\tX-Key: hush", "# X-Key: hush",
          "#X-Key: hush", "X-Key\r: hush", "X-K\xc3\xa9y: hush", "X(Key): hush", "X-Key:", "X-Key: \t",
          "X-\x01: hush"}) {
        EXPECT_EQ(header_error("A: b\n" + bad + "\n").code, callback_error::header_line) << bad;
    }
    for (const std::string& bad :
         {std::string("X: hush\rY: z"), std::string("X: hu\0sh", 8), std::string("X: hu\tsh"),
          std::string("X: hush\x7f"), std::string("X: h\xc3\xbcsh"), std::string("X: hush\r\r")}) {
        const op_error error = header_error("A: b\n" + bad + "\n");
        EXPECT_EQ(error.code, callback_error::header_value) << bad;
        EXPECT_THAT(error.message(), HasSubstr("read /h: line 2: "));
        EXPECT_THAT(error.message(), testing::Not(HasSubstr("hush")));
    }
    EXPECT_EQ(header_error("X-Key: a\nx-kEY: b\n").code, callback_error::header_twice);
    EXPECT_EQ(header_error("\xef\xbb\xbfX-Key: a\n").code, callback_error::byte_order_mark);
}

TEST(HeaderFile, IsBounded) {
    std::string many;
    for (std::size_t i = 0; i < max_headers; ++i) many += "X-" + std::to_string(i) + ": v\n\n";
    EXPECT_THAT(headers(many), testing::SizeIs(max_headers));
    EXPECT_EQ(header_error(many + "X-One-More: v\n").code, callback_error::header_lines);
    const std::string longest = "X: " + std::string(max_header_line_bytes - 3, 'a');
    EXPECT_THAT(headers(longest + "\r\n"), testing::SizeIs(1));
    EXPECT_THAT(
        header_error(longest + "a\r\n").message(), HasSubstr("line 1: at most 32 headers, in lines of 4096 bytes"));
}

} // namespace
} // namespace prooftrack::callback
