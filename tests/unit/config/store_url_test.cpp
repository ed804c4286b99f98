// store.url and its password: what is refused, what has no effect, and the file.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "config/secret_files.hpp"
#include "mistakes.hpp"

namespace prooftrack::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<std::string> url_mistakes(const std::string& store) {
    return mistakes("[proof]\nbase_url = \"https://proof.example\"\n[store]\n" + store);
}

TEST(StoreUrl, IsPostgresAlone) {
    for (const char* const good :
         {"postgresql://u@h/d", "postgres://u@a,b:1/d?sslmode=require", "postgresql:///d?host=/run/postgresql", ""})
        EXPECT_THAT(url_mistakes("url = \"" + std::string(good) + "\"\n"), IsEmpty()) << good;
    for (const char* const bad : {"mysql://h/d", "/var/lib/x.db", "host=h dbname=d"}) {
        EXPECT_THAT(
            url_mistakes("url = \"" + std::string(bad) + "\"\n"),
            ElementsAre(HasSubstr("must begin with postgresql://")))
            << bad;
    }
}

TEST(StoreUrl, ExcludesAPath) {
    EXPECT_THAT(
        url_mistakes("path = \"/x.db\"\nurl = \"postgresql://u@h/d\"\n"),
        ElementsAre(AllOf(HasSubstr("store.url"), HasSubstr("store.path"))));
    EXPECT_THAT(url_mistakes("path = \"/x.db\"\nurl = \"\"\n"), IsEmpty());
}

TEST(StoreUrl, HoldsNoPasswordAndDoesNotRepeatIt) {
    for (const char* const bad : {"postgresql://u:hushhush@h/d", "postgresql://u@h/d?password=hushhush"}) {
        EXPECT_THAT(
            url_mistakes("url = \"" + std::string(bad) + "\"\n"),
            ElementsAre(AllOf(HasSubstr("password_file"), Not(HasSubstr("hushhush")))));
    }
}

TEST(StoreUrl, APasswordWithoutItIsWarnedOf) {
    const std::string text = "[proof]\nbase_url = \"https://proof.example\"\n[store]\npassword_file = \"/p\"\n";
    EXPECT_THAT(
        draft_configuration(text, "f.toml").warnings,
        ElementsAre("store.password_file has no effect without store.url"));
}

TEST(StorePassword, IsOneLine) {
    const auto read = [](const std::string& text) {
        return read_store_password("/p", [&](const auto&, std::size_t most) -> op_result<file_content> {
            if (text.size() > most)
                return op_error{make_error_code(boost::system::errc::file_too_large), "read /p", {}};
            return file_content{text, true};
        });
    };
    for (const char* const good : {"word", " a b'\\ ", "\xc3\xbc"}) {
        for (const char* const end : {"", "\n", "\r\n"}) {
            const auto password = read(std::string(good) + end);
            ASSERT_TRUE(password.has_value()) << good;
            EXPECT_EQ(password->text.reveal(), good);
            EXPECT_TRUE(password->is_open_to_others);
        }
    }
    EXPECT_EQ(read("\n").error().code, secret_error::empty);
    for (const char* const bad : {"hush\nhush", "hu\tsh", "\xef\xbb\xbfhush", "hush\n\n"}) {
        ASSERT_TRUE(read(bad).has_error()) << bad;
        EXPECT_EQ(read(bad).error().code, secret_error::malformed) << bad;
        EXPECT_THAT(read(bad).error().message(), Not(HasSubstr("hush"))) << bad;
    }
    EXPECT_TRUE(read(std::string(max_store_password_bytes, 'x')).has_value());
    EXPECT_TRUE(read(std::string(max_store_password_bytes + 1, 'x')).has_error());
}

TEST(StorePassword, IsLookedForOnlyWithAUrl) {
    configuration config;
    config.store.password_file = "/p";
    EXPECT_TRUE(store_password_path(config, {}).empty());
    config.store.url = "postgresql://u@h/d";
    EXPECT_EQ(store_password_path(config, {}), "/p");
    config.store.password_file.clear();
    EXPECT_TRUE(store_password_path(config, {}).empty()) << "the server may ask for none";
}

} // namespace
} // namespace prooftrack::config
