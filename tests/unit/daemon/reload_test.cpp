// A reload is all or nothing: it fails at each of its steps, and leaves everything old.

#include <fstream>

#include "observe/metrics.hpp"
#include "prooftrackd/secret_reread.hpp"
#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::HasSubstr;
using trouble = fake_machine::trouble;

class Reload : public Runtime {
  protected:
    bool reload(fake_parts& parts) {
        machine_.steps = 0;
        log_.clear();
        return reloader(config_file, machine_, log_, counts_).reload(parts);
    }

    observe::metrics registry_{"1"};
    engine::meters counts_{registry_};
};

/// Fails the first, second, ... step until there is none left to fail; returns how many there were.
TEST_F(Reload, FailsAtEachOfItsStepsAndLeavesEverythingOld) {
    for (const trouble how : {trouble::missing, trouble::garbage, trouble::forbidden}) {
        machine_.fail_at = 0;
        machine_.how = how;
        machine_.files[config_file] = text_of("old", "old.example");
        fake_parts parts(good());
        const prepared_runtime old = parts.now;
        write_new();
        for (machine_.fail_at = 1;; ++machine_.fail_at) {
            const bool taken = reload(parts);
            if (machine_.steps < machine_.fail_at) {
                EXPECT_TRUE(taken);
                break;
            }
            EXPECT_FALSE(taken) << machine_.fail_at;
            EXPECT_EQ(parts.taken_over, 0) << machine_.fail_at;
            EXPECT_EQ(parts.kept, static_cast<int>(machine_.fail_at));
            EXPECT_EQ(parts.now.config, old.config);
            EXPECT_EQ(parts.now.proof, old.proof);
            EXPECT_EQ(parts.now.notifier, old.notifier);
            EXPECT_EQ(parts.now.token, old.token);
            EXPECT_EQ(parts.now.admin_group, old.admin_group);
            ASSERT_EQ(log_.count(observe::log_event_id::config_refused), 1U) << machine_.fail_at;
            EXPECT_EQ(log_.of(observe::log_event_id::config_refused)[0].at("file"), config_file);
            EXPECT_EQ(log_.lines().size(), 1U) << "neither warnings nor restart_required of what was refused";
            EXPECT_THAT(registry_.serialize(), HasSubstr("prooftrackd_config_last_reload_successful 0"));
        }
        EXPECT_EQ(machine_.fail_at - 1, 11U) << "file, token, CA, two groups, socket, secret, headers and CA, command, "
                                                "own urls";
        EXPECT_EQ(parts.taken_over, 1);
        EXPECT_EQ(parts.now.config.proof.base_url, "https://new.example");
        EXPECT_EQ(parts.now.token.reveal(), "new-token");
        EXPECT_EQ(parts.now.targets[0].headers.at(0).value.reveal(), "new");
        EXPECT_EQ(parts.now.admin_group, 200U);
        ASSERT_EQ(log_.count(observe::log_event_id::config_reloaded), 1U);
        // Of `new-token`, `whsec_C2FV…` by `printf %s TEXT | sha256sum | cut -c1-12`.
        EXPECT_EQ(
            log_.of(observe::log_event_id::config_reloaded)[0].at("secrets"),
            "client_token=348e9df2a42b callback.shop.secret=2dd745ff9912 callback.callback_url.secret=2dd745ff9912");
        EXPECT_THAT(registry_.serialize(), HasSubstr("prooftrackd_config_last_reload_successful 1"));
    }
}

TEST_F(Reload, ARefusedOneNamesEachMistakeWithItsPlace) {
    fake_parts parts(good());
    write_new();
    machine_.files.erase("/new/secret");
    machine_.groups.erase("new");
    EXPECT_FALSE(reload(parts));
    const auto refused = log_.of(observe::log_event_id::config_refused);
    ASSERT_EQ(refused.size(), 2U);
    EXPECT_EQ(refused[0].at("key"), "api.admin_group");
    EXPECT_EQ(refused[0].at("line"), "7");
    EXPECT_EQ(refused[1].at("key"), "callback.secret_file");
}

TEST_F(Reload, AKeyThatNeedsARestartIsCheckedAndNotApplied) {
    fake_parts parts(good());
    write_new();
    std::string& text = machine_.files[config_file];
    text.replace(text.find("\"socket\""), 8, "\"nobody\"");
    EXPECT_FALSE(reload(parts)) << "the next start would be refused";
    machine_.groups["nobody"] = 400;
    EXPECT_TRUE(reload(parts));
    EXPECT_EQ(parts.now.config.api.group, "socket");
    EXPECT_EQ(log_.of(observe::log_event_id::config_restart_required).at(0).at("key"), "api.group");
}

class SecretReread : public Runtime {
  protected:
    SecretReread() {
        text_.replace(text_.find("/old/secret"), 11, folder_.file("s"));
        machine_.files[config_file] = text_;
        set(first_key);
    }
    void set(const std::string& keys) { replace(folder_, folder_.file("s"), keys); }

    testing_support::temporary_directory folder_;
    std::string text_ = text_of("old", "old.example");
    secret_reread reread_{machine_, log_};
};

TEST_F(SecretReread, AChangedTokenIsTakenAndABadOneIsNot) {
    prepared_runtime now = good();
    const auto before = now.proof;
    EXPECT_FALSE(reread_.read_token(now));
    machine_.files["/old/token"] = "newer\n";
    EXPECT_TRUE(reread_.read_token(now));
    EXPECT_EQ(now.token.reveal(), "newer");
    EXPECT_NE(now.proof, before);
    for (const char* bad : {"", "two words", "\n"}) {
        machine_.files["/old/token"] = bad;
        EXPECT_FALSE(reread_.read_token(now));
    }
    machine_.files.erase("/old/token");
    EXPECT_FALSE(reread_.read_token(now));
    EXPECT_EQ(now.token.reveal(), "newer");
    EXPECT_EQ(log_.count(observe::log_event_id::config_warning), 4U);
}

TEST_F(SecretReread, AChangedSecretIsTakenAndABadOneIsNot) {
    prepared_runtime now = good();
    const auto before = now.notifier;
    EXPECT_FALSE(reread_.read_changed_keys(now));
    set(std::string(second_key) + first_key);
    EXPECT_TRUE(reread_.read_changed_keys(now));
    EXPECT_EQ(now.targets[0].secrets.size(), 2U);
    EXPECT_NE(now.notifier, before);
    const auto reported = log_.of(observe::log_event_id::callback_secret_changed);
    ASSERT_EQ(reported.size(), 1U);
    EXPECT_EQ(reported[0].at("callback"), "shop");
    EXPECT_EQ(reported[0].at("fingerprints"), "2dd745ff9912 96ad2ccd8146");
    EXPECT_FALSE(reread_.read_changed_keys(now)) << "once";
    set("nonsense\n");
    EXPECT_FALSE(reread_.read_changed_keys(now));
    EXPECT_EQ(now.targets[0].secrets.size(), 2U);
    EXPECT_EQ(log_.of(observe::log_event_id::config_warning).at(0).at("callback"), "shop");
}

} // namespace
} // namespace prooftrack::daemon
