// The daemon's arguments.

#include "prooftrackd/options.hpp"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;

std::variant<daemon_options, early_exit> parse(std::vector<const char*> arguments) {
    arguments.insert(arguments.begin(), "prooftrackd");
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}
daemon_options good(std::vector<const char*> arguments) {
    return std::get<daemon_options>(parse(std::move(arguments)));
}
early_exit ended(std::vector<const char*> arguments) { return std::get<early_exit>(parse(std::move(arguments))); }

TEST(DaemonOptions, AConfigurationIsAllThatItNeeds) {
    for (const auto& options : {good({"--config", "/etc/a.toml"}), good({"--config=/etc/a.toml"})}) {
        EXPECT_EQ(options.config, "/etc/a.toml");
        EXPECT_FALSE(options.checks_config_only);
    }
}

TEST(DaemonOptions, CheckConfigIsReportedInAnyOrder) {
    EXPECT_TRUE(good({"--config", "a.toml", "--check-config"}).checks_config_only);
    const daemon_options before = good({"--check-config", "--config", "a.toml"});
    EXPECT_TRUE(before.checks_config_only);
    EXPECT_EQ(before.config, "a.toml");
}

TEST(DaemonOptions, ACommandOnADatabaseIsNoRun) {
    const daemon_options copy = good({"--copy-store", "old.db", "--config", "new.toml"});
    EXPECT_TRUE(copy.is_store_command());
    EXPECT_EQ(copy.copied_store, "old.db");
    EXPECT_EQ(copy.config, "new.toml");
    EXPECT_EQ(good({"--unmark-moved", "old.db"}).unmarked_store, "old.db");
    EXPECT_TRUE(good({"--unmark-moved", "old.db"}).is_store_command());
    EXPECT_TRUE(good({"--new-log-id", "--config", "new.toml"}).is_store_command());
    EXPECT_FALSE(good({"--config", "new.toml"}).is_store_command());
}

TEST(DaemonOptions, AFileWithAnyNameIsTaken) {
    EXPECT_EQ(good({"--config=--check-config"}).config, "--check-config");
    EXPECT_EQ(good({"--config", "a file.toml"}).config, "a file.toml");
}

TEST(DaemonOptions, WrongArgumentsExitWith64AndSayWhatIsWrong) {
    const std::vector<std::pair<std::vector<const char*>, std::string>> wrong{
        {{}, "--config is required"},
        {{"--check-config"}, "--config is required"},
        {{"--config"}, "--config"},
        {{"--config", "a.toml", "--verbose"}, "--verbose"},
        {{"--config", "a.toml", "-x"}, "-x"},
        {{"--config", "a.toml", "b.toml"}, "b.toml"},
        {{"a.toml"}, "--config is required"},
        {{"--config", "a.toml", "--config", "b.toml"}, "--config"},
        {{"--config", "a.toml", "--check-config=maybe"}, "maybe"},
        {{"--copy-store", "old.db"}, "--config is required"},
        {{"--config", "a.toml", "--copy-store"}, "--copy-store"},
        {{"--config", "a.toml", "--copy-store", ""}, "name a file"},
        {{"--unmark-moved", ""}, "name a file"},
        {{"--config", "a.toml", "--copy-store", "old.db", "--check-config"}, "--copy-store"},
        {{"--config", "a.toml", "--unmark-moved", "old.db"}, "--unmark-moved"},
        {{"--copy-store", "old.db", "--unmark-moved", "old.db"}, "--unmark-moved"},
        {{"--new-log-id"}, "--config is required"},
        {{"--config", "a.toml", "--new-log-id", "--check-config"}, "--new-log-id"},
        {{"--config", "a.toml", "--new-log-id", "--copy-store", "old.db"}, "--new-log-id"}};
    for (const auto& [arguments, text] : wrong) {
        const auto parsed = parse(arguments);
        ASSERT_TRUE(std::holds_alternative<early_exit>(parsed)) << text;
        EXPECT_EQ(std::get<early_exit>(parsed).status, 64) << text;
        EXPECT_THAT(std::get<early_exit>(parsed).text, HasSubstr(text));
    }
}

TEST(DaemonOptions, HelpNamesEveryOptionStatusAndSignal) {
    for (const char* flag : {"--help", "-h"}) {
        const early_exit help = ended({flag});
        EXPECT_EQ(help.status, 0);
        for (const char* word :
             {"--config FILE", "--check-config", "--copy-store OLD.db", "--unmark-moved OLD.db", "--new-log-id",
              "--version", "64 ", "65 ", "74 ", "75 ", "78 ", "SIGTERM", "SIGHUP"}) {
            EXPECT_THAT(help.text, HasSubstr(word));
        }
    }
}

TEST(DaemonOptions, HelpAndVersionNeedNoConfiguration) {
    const early_exit version = ended({"--version"});
    EXPECT_EQ(version.status, 0);
    EXPECT_EQ(version.text, "prooftrackd " PROOFTRACKD_VERSION "\n");
    EXPECT_EQ(ended({"--config", "a.toml", "--version"}).status, 0);
}

} // namespace
} // namespace prooftrack::daemon
