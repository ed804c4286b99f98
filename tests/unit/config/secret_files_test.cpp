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
}

TEST_F(SecretFiles, ATokenHasAtMost4096Bytes) {
    EXPECT_EQ(token(std::string(4'096, 'a')).size(), 4'096U);
    EXPECT_THAT(token_error(std::string(4'097, 'a')), HasSubstr("at most 4096 bytes"));
}

TEST_F(SecretFiles, OtherSecretsAreReadAsTheyAreAndBounded) {
    EXPECT_EQ(read_secret_bytes(write("s", " a\r\n\n"), 5).value().text.reveal(), " a\r\n\n");
    EXPECT_EQ(read_secret_bytes(write("s", ""), 5).value().text.reveal(), "");
    EXPECT_THAT(read_secret_bytes(write("s", "123456"), 5).error().message(), HasSubstr("at most 5 bytes"));
    EXPECT_EQ(read_secret_bytes({}, 5).error().code, make_error_code(secret_error::not_configured));
}

TEST_F(SecretFiles, AFileThatOthersCanReadIsNoticed) {
    EXPECT_FALSE(read_secret_file(write("t", "abc", 0640)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_file(write("t", "abc", 0644)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_file(write("t", "abc", 0602)).value().is_open_to_others);
    EXPECT_TRUE(read_secret_bytes(write("s", "abc", 0604), 9).value().is_open_to_others);
    EXPECT_FALSE(read_secret_bytes(write("s", "abc", 0640), 9).value().is_open_to_others);
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
