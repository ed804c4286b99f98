// A changed token or webhook secret without a reload: what is said of it, and whose it is.

#include "prooftrackd/secret_reread.hpp"

#include <ostream>

#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// The configuration's secrets are in a folder.
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
    void set(const std::string& file, const std::string& content) { replace(folder_, file, content); }

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
    EXPECT_THAT(reported[0].at("warning"), HasSubstr("the last good content stays in use"));
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
        EXPECT_THAT(warned.at("warning"), HasSubstr("the last good content stays in use"));
        EXPECT_THAT(warned.at("error"), testing::AllOf(HasSubstr("line 1"), testing::Not(HasSubstr("hush"))));
    }
    EXPECT_EQ(now.targets[0].headers.size(), 1U);
    set(place_of("/new/headers"), "");
    EXPECT_TRUE(reread_.read_changed_headers(now)) << "an empty file is no header";
    EXPECT_THAT(now.targets[0].headers, IsEmpty());
}

/// Changes the file that it names, and reads what is due as the daemon does once a second.
struct reread_case {
    const char* file;
    const char* content;
    bool (*read)(const secret_reread& by, prepared_runtime& now);

    friend void PrintTo(const reread_case& one, std::ostream* out) { *out << one.file; }
};

class UnreadableSecrets : public ChangedSecrets, public testing::WithParamInterface<reread_case> {};

TEST_P(UnreadableSecrets, AreReadAtALaterLookWithoutAnotherChangeAndLoggedOnce) {
    const reread_case& one = GetParam();
    prepared_runtime now = good();
    set(place_of(one.file), one.content);
    const auto look = [&](fake_machine::trouble how, std::size_t fail_at) {
        machine_.steps = 0;
        machine_.fail_at = fail_at;
        machine_.how = how;
        return one.read(reread_, now);
    };
    for (int looks = 0; looks < 3; ++looks) {
        EXPECT_FALSE(look(fake_machine::trouble::forbidden, 1));
        EXPECT_EQ(machine_.steps, 1U) << "it is tried";
        EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 1U) << looks;
    }
    EXPECT_FALSE(look(fake_machine::trouble::missing, 1));
    EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 2U) << "another error is news";
    set(place_of(one.file), one.content);
    EXPECT_FALSE(look(fake_machine::trouble::missing, 1));
    EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 3U) << "so is one after another change";
    EXPECT_TRUE(look(fake_machine::trouble::missing, 0));
    EXPECT_FALSE(look(fake_machine::trouble::missing, 0));
    EXPECT_EQ(machine_.steps, 0U) << "it was read";
    EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 3U);
}

INSTANTIATE_TEST_SUITE_P(
    Daemon, UnreadableSecrets,
    testing::Values(
        reread_case{
            "/new/token", "newest\n",
            [](const secret_reread& by, prepared_runtime& now) {
                return now.token_file.is_due() && by.read_token(now);
            }},
        reread_case{
            "/new/secret", first_key,
            [](const secret_reread& by, prepared_runtime& now) { return by.read_changed_keys(now); }},
        reread_case{
            "/new/url_secret", first_key,
            [](const secret_reread& by, prepared_runtime& now) { return by.read_changed_keys(now); }},
        reread_case{"/new/headers", "X-Key: hush\n", [](const secret_reread& by, prepared_runtime& now) {
                        return by.read_changed_headers(now);
                    }}));

TEST_F(ChangedSecrets, ATokenThatCannotBeReadWhenProofRefusesTheOldOneIsReadAtTheNextLook) {
    prepared_runtime now = good();
    machine_.fail_at = machine_.steps + 1;
    EXPECT_FALSE(now.token_file.is_due());
    EXPECT_FALSE(reread_.read_token(now));
    EXPECT_TRUE(now.token_file.is_due());
    EXPECT_FALSE(reread_.read_token(now)) << "it is the same one";
    EXPECT_FALSE(now.token_file.is_due());
}

} // namespace
} // namespace prooftrack::daemon
