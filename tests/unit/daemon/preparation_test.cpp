// What a start, a reload and --check-config find before they take effect.

#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using trouble = fake_machine::trouble;

class Preparation : public Runtime {};

TEST_F(Preparation, AGoodConfigurationComesWithEverythingItNames) {
    write_new();
    const prepared_runtime ready = good();
    EXPECT_EQ(ready.config.proof.base_url, "https://new.example");
    EXPECT_EQ(ready.token.reveal(), "new-token");
    EXPECT_TRUE(ready.proof);
    EXPECT_TRUE(ready.notifier);
    EXPECT_EQ(ready.socket_group, 300U);
    EXPECT_EQ(ready.admin_group, 200U);
    ASSERT_EQ(ready.targets.size(), 2U);
    EXPECT_EQ(ready.targets[0].secrets.size(), 1U);
    EXPECT_TRUE(ready.targets[0].tls);
    EXPECT_EQ(ready.url_rules.secrets.size(), 1U);
    EXPECT_EQ(ready.key_files.size(), 2U);
    EXPECT_EQ(ready.targets[0].headers.size(), 2U);
    EXPECT_EQ(ready.header_files.size(), 1U);
}

TEST_F(Preparation, ANodeHasTheNameOfItsMachineUnlessItIsGivenOne) {
    EXPECT_EQ(good().node, "") << "alone";
    const std::string alone = machine_.files[config_file];
    const std::string shared = alone + "[store]\nurl = \"postgresql://u@h/d\"\n";
    machine_.files[config_file] = shared;
    const prepared_runtime first = good();
    EXPECT_EQ(first.node, "pay1.example");
    machine_.files[config_file] = shared + "[cluster]\nnode = \"pay2\"\n";
    EXPECT_EQ(good().node, "pay2");
    machine_.host = "gone";
    EXPECT_EQ(prepare(&first).runtime.value().node, "pay1.example") << "a reload does not rename it";
    machine_.files[config_file] = shared;
    for (const char* const bad : {"", "(none)"}) {
        machine_.host = bad;
        EXPECT_THAT(texts(prepare().mistakes), ElementsAre(HasSubstr("cluster.node: is not set"))) << bad;
        EXPECT_TRUE(prepare(&first).runtime) << bad;
    }
}

TEST_F(Preparation, EveryMistakeIsReportedAtOnceWithItsPlace) {
    write_new();
    machine_.files[config_file] += "[poll]\nintervall = 1\n";
    machine_.files.erase("/new/token");
    machine_.files["/new/ca"] = "no certificate\n";
    machine_.files["/new/secret"] = "whsec_AAAA\n";
    machine_.files["/new/headers"] = "X-Key: whsec_AAAA\nHost: whsec_AAAA\n";
    machine_.files["/new/url_secret"] = "\n";
    machine_.groups.clear();
    machine_.programs.clear();
    const preparation found = prepare();
    EXPECT_FALSE(found.runtime);
    EXPECT_THAT(found.not_permitted, IsEmpty());
    EXPECT_THAT(
        texts(found.mistakes),
        ElementsAre(
            AllOf(HasSubstr("prooftrackd.toml:3:1: proof.token_file: "), HasSubstr("/new/token")),
            AllOf(HasSubstr(".toml:4:1: proof.ca_file: "), HasSubstr("/new/ca")),
            AllOf(HasSubstr(".toml:6:1: api.group: "), HasSubstr("socket")),
            AllOf(HasSubstr(".toml:7:1: api.admin_group: "), HasSubstr("new")),
            AllOf(HasSubstr(".toml:13:1: callback.secret_file: "), HasSubstr("/new/secret: line 1")),
            AllOf(HasSubstr(".toml:14:1: callback.ca_file: "), HasSubstr("/new/ca")),
            AllOf(HasSubstr(".toml:15:1: callback.headers_file: "), HasSubstr("/new/headers: line 2: the daemon")),
            AllOf(HasSubstr(".toml:18:1: callback.command: "), HasSubstr("/bin/credit")),
            AllOf(HasSubstr(".toml:21:1: callback_url.secret_file: "), HasSubstr("no secret in it")),
            HasSubstr(".toml:23:1: poll.intervall: unknown key")));
    for (const std::string& text : texts(found.mistakes)) EXPECT_THAT(text, testing::Not(HasSubstr("whsec_AAAA")));
}

TEST_F(Preparation, AKeyWithAMistakeIsNotLookedAtFurther) {
    machine_.files[config_file] =
        "[proof]\nbase_url = \"http://proof.example\"\ntoken_file = 5\nca_file = \"/old/ca\"\n";
    EXPECT_EQ(prepare().mistakes.size(), 2U);
    machine_.files[config_file] = "[proof\n";
    EXPECT_EQ(prepare().mistakes.size(), 1U) << "a syntax error alone";
}

TEST_F(Preparation, AnAddressForPlainHttpIsAPrivateOne) {
    const std::string before = machine_.files[config_file];
    machine_.files[config_file] = before + "[network]\nplain_http_hosts = [\"10.0.0.5\", \"[fd00::5]\", \"name\"]\n";
    EXPECT_EQ(good().config.network.plain_http_hosts.size(), 3U);
    for (const char* bad : {"8.8.8.8", "169.254.169.254", "[fe80::1]", "64:ff9b::a00:5", "0.0.0.0"}) {
        machine_.files[config_file] = before + "[network]\nplain_http_hosts = [\"" + bad + "\"]\n";
        EXPECT_THAT(
            texts(prepare().mistakes),
            ElementsAre(
                AllOf(HasSubstr("network.plain_http_hosts: \""), HasSubstr("neither a loopback nor a private"))))
            << bad;
    }
}

TEST_F(Preparation, WhatItMayNotReadIsKeptApartFromMistakes) {
    machine_.how = trouble::forbidden;
    for (const std::size_t step : {2U, 3U, 7U, 8U}) { // token, CA, secret, headers
        machine_.fail_at = step;
        machine_.steps = 0;
        const preparation found = prepare();
        EXPECT_THAT(found.mistakes, IsEmpty()) << step;
        EXPECT_THAT(texts(found.not_permitted), ElementsAre(HasSubstr("Permission denied"))) << step;
        EXPECT_FALSE(found.runtime) << "a start needs it";
        EXPECT_EQ(found.refusals().size(), 1U);
    }
}

TEST_F(Preparation, WithoutATokenFileTheCredentialIsMissed) {
    machine_.files[config_file] = "[proof]\nbase_url = \"https://proof.example\"\n";
    const preparation outside = prepare();
    EXPECT_THAT(outside.mistakes, IsEmpty()) << "only the unit's own processes are told of its credentials";
    EXPECT_THAT(texts(outside.not_permitted), ElementsAre(HasSubstr("client_token")));
    EXPECT_FALSE(outside.runtime);
    machine_.credentials_folder = "/nonexistent";
    EXPECT_THAT(texts(prepare().mistakes), ElementsAre(HasSubstr("client_token")));
}

TEST_F(Preparation, WarnsOfOpenSecretsAndTooFewDescriptors) {
    machine_.open_files = {"/old/token", "/old/secret", "/old/headers", "/old/ca"};
    machine_.descriptors = 10;
    const preparation found = prepare();
    EXPECT_THAT(found.open_files, ElementsAre("/old/token", "/old/secret", "/old/headers"));
    EXPECT_THAT(found.warnings, testing::Contains(HasSubstr("LimitNOFILE")));
    EXPECT_TRUE(found.runtime);
}

TEST_F(Preparation, WarnsOfMetricsForOthersAtTheStartAlone) {
    machine_.files[config_file] += "[metrics]\nlisten = \"10.0.0.5:9464\"\nallow_remote = true\n";
    const preparation first = prepare();
    EXPECT_THAT(first.warnings, ElementsAre(HasSubstr("metrics.listen \"10.0.0.5:9464\": whoever reaches")));
    ASSERT_TRUE(first.runtime);
    EXPECT_THAT(prepare(&*first.runtime).warnings, IsEmpty());
}

TEST_F(Preparation, CertificatesAreSharedByContentAndNotByName) {
    const prepared_runtime first = good();
    const preparation same = prepare(&first);
    EXPECT_EQ(same.runtime->targets[0].tls, first.targets[0].tls);
    machine_.files["/old/ca"] = stranger_.ca_pem();
    const preparation replaced = prepare(&first);
    EXPECT_NE(replaced.runtime->targets[0].tls, first.targets[0].tls);
    EXPECT_NE(replaced.runtime->proof_options.trust, first.proof_options.trust);
}

} // namespace
} // namespace prooftrack::daemon
