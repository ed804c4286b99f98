#include "config/secret_files.hpp"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/bounded_file.hpp"

namespace prooftrack::config {
namespace {

using testing::HasSubstr;

class SecretFiles : public testing::Test {
  protected:
    void SetUp() override {
        std::string pattern = testing::TempDir() + "secretsXXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        folder_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    std::filesystem::path write(const std::string& name, const std::string& text, mode_t mode = 0600) {
        auto path = folder_ / name;
        std::ofstream(path, std::ios::binary) << text;
        EXPECT_EQ(::chmod(path.c_str(), mode), 0);
        return path;
    }
    std::string token(const std::string& text) {
        return std::string(read_secret_file(write("t", text)).value().text.reveal());
    }
    std::string token_error(const std::string& text) { return read_secret_file(write("t", text)).error().message(); }
    std::vector<std::string> lines(const std::string& text) {
        std::vector<std::string> out;
        const auto secrets = read_secret_lines(write("s", text)).value();
        for (const secret& line : secrets.lines) out.emplace_back(line.reveal());
        return out;
    }

    std::filesystem::path folder_;
};

TEST_F(SecretFiles, ATrailingNewlineOfTheTokenIsDropped) {
    EXPECT_EQ(token("abc"), "abc");
    EXPECT_EQ(token("abc\n"), "abc");
    EXPECT_EQ(token("abc\r\n"), "abc");
}

TEST_F(SecretFiles, AMalformedTokenSaysWhatToDoAndNotWhatItIs) {
    EXPECT_THAT(token_error(""), HasSubstr("the file is empty (write Proof's client_token into it"));
    EXPECT_THAT(token_error(" \n"), HasSubstr("empty"));
    for (const char* bad : {"hush hush", "hush\nhush\n", "hush\n\n", " hush", "hush\t", "h\x01ush", "h\xc3\xbcsh"}) {
        EXPECT_THAT(token_error(bad), HasSubstr("malformed")) << bad;
        EXPECT_THAT(token_error(bad), testing::Not(HasSubstr("hush"))) << bad;
    }
}

TEST_F(SecretFiles, AByteOrderMarkIsNamed) {
    EXPECT_THAT(token_error("\xef\xbb\xbfhush\n"), HasSubstr("byte order mark"));
    EXPECT_THAT(read_secret_lines(write("s", "\xef\xbb\xbfwhsec_a\n")).error().message(), HasSubstr("byte order mark"));
}

TEST_F(SecretFiles, ATokenHasAtMost4096Bytes) {
    EXPECT_EQ(token(std::string(4'096, 'a')).size(), 4'096U);
    EXPECT_THAT(token_error(std::string(4'097, 'a')), HasSubstr("at most 4096 bytes"));
}

TEST_F(SecretFiles, WebhookSecretsAreLines) {
    EXPECT_THAT(lines("whsec_a\nwhsec_b\n"), testing::ElementsAre("whsec_a", "whsec_b"));
    EXPECT_THAT(lines("  whsec_a \r\n\twhsec_b\r\n"), testing::ElementsAre("whsec_a", "whsec_b"));
    EXPECT_THAT(lines("whsec_a"), testing::ElementsAre("whsec_a"));
    EXPECT_THAT(read_secret_lines(write("s", "\n \n")).error().message(), HasSubstr("prooftrackctl secret new"));
    EXPECT_EQ(read_secret_lines(write("s", "whsec a\n")).error().code, make_error_code(secret_error::malformed));
}

TEST_F(SecretFiles, ABlankLineIsRefusedAndNamed) {
    for (const char* text : {"\nwhsec_a\n", "\r\nwhsec_a", " \t\nwhsec_a\n"}) {
        const auto read = read_secret_lines(write("s", text));
        ASSERT_TRUE(read.has_error()) << text;
        EXPECT_THAT(read.error().message(), HasSubstr("line 1 is blank: delete it"));
    }
    for (const char* text : {"whsec_a\n\n", "whsec_a\r\n\r\nwhsec_b\r\n", "whsec_a\n \n"}) {
        const auto read = read_secret_lines(write("s", text));
        ASSERT_TRUE(read.has_error()) << text;
        EXPECT_THAT(read.error().message(), HasSubstr("line 2 is blank: delete it"));
    }
    EXPECT_THAT(read_secret_lines(write("s", "whsec_a\n# old\n")).error().message(), HasSubstr("line 2"));
}

TEST_F(SecretFiles, WebhookSecretsAreBounded) {
    std::string many;
    for (std::size_t i = 0; i < max_secret_lines; ++i) many += "whsec_" + std::to_string(i) + "\n";
    EXPECT_EQ(lines(many).size(), max_secret_lines);
    EXPECT_EQ(read_secret_lines(write("s", many + "whsec_x\n")).error().code, make_error_code(secret_error::too_long));
    EXPECT_EQ(lines(std::string(512, 'a')).size(), 1U);
    EXPECT_EQ(
        read_secret_lines(write("s", std::string(513, 'a'))).error().code, make_error_code(secret_error::too_long));
    EXPECT_THAT(
        read_secret_lines(write("s", std::string(16'385, 'a'))).error().message(), HasSubstr("at most 16384 bytes"));
}

TEST_F(SecretFiles, AFileThatOthersCanReadIsNoticed) {
    EXPECT_FALSE(read_secret_file(write("t", "abc", 0640)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_file(write("t", "abc", 0644)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_file(write("t", "abc", 0602)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_lines(write("s", "abc", 0604)).value().is_open_to_others);
}

TEST_F(SecretFiles, WhatIsNoFileIsRefusedWithoutWaiting) {
    EXPECT_THAT(read_secret_file(folder_ / "none").error().message(), HasSubstr("No such file"));
    EXPECT_THAT(read_secret_file(folder_).error().message(), HasSubstr("Is a directory"));
    const auto pipe = folder_ / "pipe";
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_THAT(read_secret_file(pipe).error().message(), HasSubstr("not a regular file"));
    EXPECT_EQ(read_secret_file({}).error().code, make_error_code(secret_error::not_configured));
}

TEST_F(SecretFiles, ACredentialStandsInForAnUnwrittenKey) {
    configuration config;
    EXPECT_EQ(token_path(config, {}), "");
    EXPECT_EQ(token_path(config, folder_), "");
    write("client_token", "abc");
    write("callback.shop.secret", "abc");
    write("callback.callback_url.secret", "abc");
    EXPECT_EQ(token_path(config, folder_), folder_ / "client_token");
    config.proof.token_file = "/t";
    EXPECT_EQ(token_path(config, folder_), "/t");

    callback_config callback;
    callback.name = "shop";
    EXPECT_EQ(secret_path(callback, folder_), folder_ / "callback.shop.secret");
    callback.name = "other";
    EXPECT_EQ(secret_path(callback, folder_), "");
    callback.secret_file = "/s";
    EXPECT_EQ(secret_path(callback, folder_), "/s");
    callback.command = {"/bin/true"};
    EXPECT_EQ(secret_path(callback, folder_), "");
    EXPECT_EQ(secret_path(callback_url_config{}, folder_), folder_ / "callback.callback_url.secret");
}

TEST_F(SecretFiles, TheCredentialsDirectoryComesFromTheEnvironment) {
    ASSERT_EQ(::setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1), 0);
    EXPECT_EQ(credentials_directory(), "/run/credentials/x");
    ASSERT_EQ(::unsetenv("CREDENTIALS_DIRECTORY"), 0);
    EXPECT_EQ(credentials_directory(), "");
}

TEST_F(SecretFiles, AStampShowsAReplacedFile) {
    const auto path = write("t", "abc");
    const auto before = stamp_file(path);
    ASSERT_TRUE(before);
    EXPECT_EQ(stamp_file(path), before);
    std::filesystem::rename(write("t.new", "abd"), path);
    EXPECT_NE(stamp_file(path), before);
    std::filesystem::remove(path);
    EXPECT_EQ(stamp_file(path), std::nullopt);
}

} // namespace
} // namespace prooftrack::config
