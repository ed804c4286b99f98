// A changed token or webhook secret without a reload: what is said of it, and whose it is.

#include "prooftrackd/secret_reread.hpp"

#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// The machine reads from memory and the watches look at the disk: both hold the same.
class ChangedSecrets : public Runtime {
  protected:
    ChangedSecrets() {
        std::string text = text_of("new", "new.example");
        for (const char* name : {"/new/token", "/new/secret", "/new/headers", "/new/url_secret"}) {
            set(place_of(name), machine_.files.at(name));
            text.replace(text.find(name), std::string(name).size(), place_of(name));
        }
        machine_.files[config_file] = text;
    }
    std::string place_of(const std::string& name) const { return folder_.file(name.substr(5)); }
    void set(const std::string& file, const std::string& content) {
        machine_.files[file] = content;
        folder_.write(file.substr(file.rfind('/') + 1), content);
    }

    testing_support::temporary_directory folder_;
    secret_reread reread_{machine_, log_};
};

TEST_F(ChangedSecrets, KeysForCallbackUrlsAreTakenLikeThoseOfACallback) {
    prepared_runtime now = good();
    const auto before = now.notifier;
    set(place_of("/new/url_secret"), first_key);
    EXPECT_TRUE(reread_.read_changed_keys(now));
    EXPECT_NE(now.notifier, before);
    const auto reported = log_.of(observe::log_event_id::callback_secret_changed);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("callback"), "callback_url");
    EXPECT_EQ(reported[0].at("file"), place_of("/new/url_secret"));
    EXPECT_EQ(reported[0].at("fingerprints"), "96ad2ccd8146");
    const prepared_runtime fresh = good();
    EXPECT_EQ(now.url_rules.secrets, fresh.url_rules.secrets);
    EXPECT_EQ(now.targets[0].secrets, fresh.targets[0].secrets) << "the other file is as it was";
}

TEST_F(ChangedSecrets, BothFilesInOneLook) {
    prepared_runtime now = good();
    set(place_of("/new/url_secret"), std::string(first_key) + second_key);
    set(place_of("/new/secret"), std::string(first_key) + second_key);
    EXPECT_TRUE(reread_.read_changed_keys(now));
    EXPECT_EQ(now.targets[0].secrets.size(), 2U);
    EXPECT_EQ(now.url_rules.secrets.size(), 2U);
    EXPECT_EQ(log_.count(observe::log_event_id::callback_secret_changed), 2U);
}

TEST_F(ChangedSecrets, ABadFileDoesNotKeepTheOtherFromBeingTaken) {
    prepared_runtime now = good();
    set(place_of("/new/secret"), "nonsense\n");
    set(place_of("/new/url_secret"), first_key);
    EXPECT_TRUE(reread_.read_changed_keys(now));
    EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 1U);
    EXPECT_EQ(log_.of(observe::log_event_id::config_warning)[0].at("callback"), "shop");
    EXPECT_THAT(log_.of(observe::log_event_id::config_warning)[0].at("error"), testing::Not(HasSubstr("nonsense")));
    EXPECT_EQ(log_.of(observe::log_event_id::callback_secret_changed).at(0).at("callback"), "callback_url");
}

TEST_F(ChangedSecrets, AFileWithTheSameKeysIsTakenSilently) {
    prepared_runtime now = good();
    const std::string line = second_key;
    set(place_of("/new/secret"), line.substr(0, line.size() - 1)); // without its newline
    EXPECT_TRUE(reread_.read_changed_keys(now));
    EXPECT_EQ(log_.count(observe::log_event_id::callback_secret_changed), 0U);
    EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(ChangedSecrets, AFileOfACallbackThatHasNoKeysIsPassedOver) {
    prepared_runtime now = good();
    now.targets.clear();
    set(place_of("/new/secret"), first_key);
    EXPECT_FALSE(reread_.read_changed_keys(now));
    EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(ChangedSecrets, ASecretThatOthersCanReadIsTakenAndWarnedOf) {
    prepared_runtime now = good();
    machine_.open_files = {place_of("/new/token"), place_of("/new/secret")};
    set(place_of("/new/token"), "newest\n");
    set(place_of("/new/secret"), first_key);
    EXPECT_TRUE(reread_.read_token(now));
    EXPECT_TRUE(reread_.read_changed_keys(now));
    const auto reported = log_.of(observe::log_event_id::config_insecure_file);
    ASSERT_EQ(reported.size(), 2U);
    EXPECT_EQ(reported[0].at("file"), place_of("/new/token"));
    EXPECT_EQ(reported[0].at("advice"), "chmod 0640 " + place_of("/new/token") + " (or 0600)");
    EXPECT_EQ(reported[1].at("file"), place_of("/new/secret"));
}

TEST_F(ChangedSecrets, ATokenAsBeforeIsNotWarnedOfAgain) {
    prepared_runtime now = good();
    machine_.open_files = {place_of("/new/token")};
    EXPECT_FALSE(reread_.read_token(now));
    EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(ChangedSecrets, ATokenThatCannotBeReadSaysWhichFileAndWhy) {
    prepared_runtime now = good();
    const auto before = now.proof;
    machine_.files.erase(place_of("/new/token"));
    EXPECT_FALSE(reread_.read_token(now));
    const auto reported = log_.of(observe::log_event_id::config_warning);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("file"), place_of("/new/token"));
    EXPECT_THAT(reported[0].at("error"), HasSubstr("No such file"));
    EXPECT_THAT(reported[0].at("warning"), HasSubstr("the last good one stays in use"));
    EXPECT_EQ(now.proof, before);
}

TEST_F(ChangedSecrets, AChangedHeadersFileIsTakenAndABadOneIsNot) {
    prepared_runtime now = good();
    const auto before = now.notifier;
    EXPECT_FALSE(reread_.read_changed_headers(now));
    machine_.open_files = {place_of("/new/headers")};
    set(place_of("/new/headers"), "X-Key: hush\n");
    EXPECT_TRUE(reread_.read_changed_headers(now));
    EXPECT_NE(now.notifier, before);
    ASSERT_EQ(now.targets[0].headers.size(), 1U);
    EXPECT_EQ(now.targets[0].headers[0].value.reveal(), "hush");
    const auto reported = log_.of(observe::log_event_id::callback_headers_changed);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("callback"), "shop");
    EXPECT_EQ(reported[0].at("file"), place_of("/new/headers"));
    EXPECT_EQ(reported[0].at("headers"), "1");
    EXPECT_EQ(log_.count(observe::log_event_id::config_insecure_file), 1U);
    for (const char* bad : {"X-Key hush\n", "Host: hush\n", "X-Key:\n"}) {
        log_.clear();
        set(place_of("/new/headers"), bad);
        EXPECT_FALSE(reread_.read_changed_headers(now));
        ASSERT_EQ(log_.lines().size(), 1U);
        const auto warned = log_.of(observe::log_event_id::config_warning).at(0);
        EXPECT_EQ(warned.at("callback"), "shop");
        EXPECT_EQ(warned.at("file"), place_of("/new/headers"));
        EXPECT_THAT(warned.at("warning"), HasSubstr("the last good ones stay in use"));
        EXPECT_THAT(warned.at("error"), testing::AllOf(HasSubstr("line 1"), testing::Not(HasSubstr("hush"))));
    }
    EXPECT_EQ(now.targets[0].headers.size(), 1U);
    set(place_of("/new/headers"), "");
    EXPECT_TRUE(reread_.read_changed_headers(now)) << "an empty file is no header";
    EXPECT_THAT(now.targets[0].headers, IsEmpty());
}

} // namespace
} // namespace prooftrack::daemon
