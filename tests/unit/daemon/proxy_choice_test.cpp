// Which proxy is chosen for whom, from the file and from the environment, and its credentials.

#include "prooftrackd/proxy_choice.hpp"

#include "config/secret_files.hpp"
#include "prooftrackd/secret_reread.hpp"
#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ProxyChoice : public Runtime {
  protected:
    /// The first configuration with these lines in [proof] and in [[callback]].
    void write(const std::string& of_proof, const std::string& of_callback = "") {
        std::string text = text_of("old", "old.example");
        text.insert(text.find("[api]"), of_proof);
        machine_.files[config_file] = text + of_callback;
    }
    static std::string proxy_of(const std::shared_ptr<const net::proxy_route>& route, const char* host) {
        const auto* proxy = route ? route->find(host, 443) : nullptr;
        return proxy == nullptr ? "none" : describe(*proxy);
    }
    static std::string authorization(const std::shared_ptr<const net::proxy_route>& route) {
        return std::string(route->proxy()->authorization.reveal());
    }
};

TEST_F(ProxyChoice, WithoutAnythingThereIsNone) {
    const prepared_runtime ready = good();
    EXPECT_FALSE(ready.proof_options.route);
    EXPECT_FALSE(ready.targets[0].route);
    EXPECT_THAT(ready.proxies, IsEmpty());
}

TEST_F(ProxyChoice, TheFileWinsOverTheEnvironmentAndNoProxyIsNotForIt) {
    machine_.variables = {{"HTTPS_PROXY", "http://env.example:1"}, {"NO_PROXY", "*"}};
    write("proxy = \"http://one.example:3128\"\n", "proxy = \"none\"\n");
    const prepared_runtime ready = good();
    EXPECT_EQ(proxy_of(ready.proof_options.route, "old.example"), "one.example:3128");
    EXPECT_FALSE(ready.targets[0].route);
    EXPECT_THAT(ready.proxies, ElementsAre(proxy_use{"one.example:3128", "configuration", "proof"}));
}

TEST_F(ProxyChoice, TheEnvironmentsIsForAllThatNameNone) {
    write_new();
    machine_.variables = {{"HTTPS_PROXY", "http://env.example:3128"}, {"NO_PROXY", ".shop.example"}};
    const prepared_runtime ready = good();
    EXPECT_EQ(proxy_of(ready.proof_options.route, "new.example"), "env.example:3128");
    EXPECT_EQ(proxy_of(ready.targets[0].route, "shop.example"), "none");
    EXPECT_EQ(proxy_of(ready.url_rules.route, "far.example"), "env.example:3128");
    EXPECT_THAT(
        ready.proxies, ElementsAre(
                           proxy_use{"env.example:3128", "HTTPS_PROXY", "proof callback_url"},
                           proxy_use{"none", "HTTPS_PROXY", "callback.shop"}));
}

TEST_F(ProxyChoice, LowerCaseWinsAndEmptyIsNotSet) {
    machine_.variables = {
        {"HTTPS_PROXY", "http://upper.example:1"},
        {"https_proxy", "lower.example:2"},
        {"no_proxy", ""},
        {"NO_PROXY", "far.example"}};
    const environment_proxy found = read_environment_proxy(machine_);
    EXPECT_EQ(found.variable, "https_proxy");
    EXPECT_EQ(describe(*found.route->proxy()), "lower.example:2") << "a scheme may be left out, as with curl";
    EXPECT_EQ(found.route->find("far.example", 443), nullptr);
    machine_.variables["https_proxy"] = "";
    EXPECT_EQ(read_environment_proxy(machine_).variable, "HTTPS_PROXY");
}

TEST_F(ProxyChoice, TheEnvironmentsMayHaveUserAndPassword) {
    for (const char* written : {"http://me:p%40ss%3a@env.example:3128/", "me:p%40ss:@env.example:3128"}) {
        machine_.variables = {{"HTTPS_PROXY", written}};
        const environment_proxy found = read_environment_proxy(machine_);
        ASSERT_TRUE(found.route) << written << found.fault;
        EXPECT_EQ(describe(*found.route->proxy()), "env.example:3128");
        EXPECT_EQ(found.route->proxy()->authorization, net::make_basic_authorization(secret("me:p@ss:")));
    }
    machine_.variables = {{"HTTPS_PROXY", "http://me@env.example"}};
    EXPECT_EQ(
        read_environment_proxy(machine_).route->proxy()->authorization, net::make_basic_authorization(secret("me:")));
    machine_.variables = {{"HTTPS_PROXY", "http://me:" + std::string(config::max_proxy_credentials_bytes, 'x') + "@p"}};
    EXPECT_NE(read_environment_proxy(machine_).fault, "");
}

TEST_F(ProxyChoice, OneOfTheEnvironmentThatCannotBeUsedIsRefusedWhereItWouldBe) {
    for (const char* bad : {"socks5://me:hushhush@env.example:1080", "https://env.example", "http://env.example/x"}) {
        machine_.variables = {{"HTTPS_PROXY", bad}};
        write("");
        EXPECT_THAT(
            texts(prepare().mistakes),
            ElementsAre(
                AllOf(HasSubstr("proof.proxy: HTTPS_PROXY of the environment"), Not(HasSubstr("hushhush"))),
                HasSubstr("callback.proxy: HTTPS_PROXY of the environment")));
        write("proxy = \"none\"\n", "proxy = \"http://one.example:1\"\n");
        EXPECT_THAT(texts(prepare().mistakes), IsEmpty());
    }
    machine_.variables = {{"HTTPS_PROXY", "socks5://env.example"}, {"NO_PROXY", "*"}};
    write("");
    EXPECT_THAT(texts(prepare().mistakes), IsEmpty()) << "no host goes through it";
    machine_.variables = {
        {"HTTPS_PROXY", "http://env.example"}, {"NO_PROXY", std::string(max_no_proxy_bytes + 1, ',')}};
    EXPECT_THAT(read_environment_proxy(machine_).fault, HasSubstr("NO_PROXY"));
    machine_.files[config_file] =
        "[proof]\nbase_url = \"https://localhost:1\"\ntoken_file = \"/old/token\"\nca_file = \"/old/ca\"\n";
    EXPECT_THAT(texts(prepare().mistakes), IsEmpty()) << "loopback needs no proxy";
}

TEST_F(ProxyChoice, OneThatCannotBeUsedIsRefusedForTheHostsOfCallbackUrlsThatNeedIt) {
    machine_.files["/old/own"] = first_key;
    const auto mistakes_with = [&](const std::string& hosts, const std::string& exempt) {
        machine_.variables = {{"HTTPS_PROXY", "socks5://env.example"}, {"NO_PROXY", exempt}};
        machine_.files[config_file] =
            "[proof]\nbase_url = \"https://localhost:1\"\ntoken_file = \"/old/token\"\nca_file = \"/old/ca\"\n"
            "[callback_url]\nsecret_file = \"/old/own\"\nallow_hosts = [" +
            hosts + "]\n";
        return texts(prepare().mistakes);
    };
    EXPECT_THAT(mistakes_with("\"127.0.0.1\", \"[::1]\"", ""), IsEmpty());
    EXPECT_THAT(mistakes_with("\"*.shop.example\", \"one.example\"", "shop.example,one.example"), IsEmpty());
    for (const char* narrower : {"", "a.shop.example", "shop.example:443"}) {
        EXPECT_THAT(
            mistakes_with("\"*.shop.example\"", narrower),
            ElementsAre(AllOf(
                HasSubstr("callback_url.allow_hosts: HTTPS_PROXY of the environment"),
                HasSubstr("correct it, or exempt these hosts in NO_PROXY"))));
    }
}

TEST_F(ProxyChoice, CredentialsAreReadCheckedAndWarnedOf) {
    write(
        "proxy = \"http://one.example:1\"\nproxy_credentials_file = \"/old/proxy\"\n",
        "proxy = \"http://one.example:1\"\nproxy_credentials_file = \"/old/shop_proxy\"\n");
    EXPECT_THAT(
        texts(prepare().mistakes), ElementsAre(
                                       HasSubstr("proof.proxy_credentials_file: read /old/proxy: No such file"),
                                       HasSubstr("callback.proxy_credentials_file: read /old/shop_proxy")));
    machine_.files["/old/proxy"] = "me:word\n";
    machine_.files["/old/shop_proxy"] = "you:word\n";
    machine_.open_files = {"/old/proxy"};
    const preparation found = prepare();
    ASSERT_TRUE(found.runtime);
    EXPECT_THAT(found.open_files, ElementsAre("/old/proxy"));
    EXPECT_EQ(authorization(found.runtime->proof_options.route), "Basic bWU6d29yZA==");
    EXPECT_EQ(authorization(found.runtime->targets[0].route), "Basic eW91OndvcmQ=");
    EXPECT_EQ(found.runtime->proxy_files.size(), 2U);
    EXPECT_THAT(
        found.runtime->proxies, ElementsAre(proxy_use{"one.example:1", "configuration", "proof callback.shop"}));
}

TEST_F(ProxyChoice, CredentialsWithoutAProxyAreWarnedOf) {
    machine_.files["/old/proxy"] = "me:word\n";
    write("proxy_credentials_file = \"/old/proxy\"\n");
    EXPECT_THAT(
        prepare().warnings,
        testing::Contains(AllOf(HasSubstr("proof.proxy_credentials_file has no effect"), HasSubstr("HTTPS_PROXY"))));
    machine_.variables = {{"HTTPS_PROXY", "http://env.example"}};
    EXPECT_THAT(prepare().warnings, testing::Each(Not(HasSubstr("proxy_credentials_file"))));
}

TEST_F(ProxyChoice, AReloadSaysWhatHasChangedAndSharesWhatHasNot) {
    const prepared_runtime direct = good();
    write("proxy = \"http://one.example:1\"\n");
    const preparation first = prepare(&direct);
    EXPECT_NE(first.runtime->proof, direct.proof);
    observe::metrics registry("1");
    engine::meters counts(registry);
    fake_parts parts(good());
    reloader reload(config_file, machine_, log_, counts);
    EXPECT_TRUE(reload.reload(parts));
    EXPECT_EQ(log_.count(observe::log_event_id::config_proxy), 0U) << "as before";
    write("proxy = \"http://two.example:2\"\n");
    EXPECT_TRUE(reload.reload(parts));
    const auto told = log_.of(observe::log_event_id::config_proxy);
    ASSERT_EQ(told.size(), 1U);
    EXPECT_EQ(told[0].at("proxy"), "two.example:2");
    EXPECT_EQ(told[0].at("source"), "configuration");
    EXPECT_EQ(told[0].at("used_by"), "proof");
    write("proxy = \"http://me:word@two.example\"\n");
    EXPECT_FALSE(reload.reload(parts));
    EXPECT_EQ(proxy_of(parts.now.proof_options.route, "old.example"), "two.example:2");
}

TEST_F(ProxyChoice, ChangedCredentialsAreTakenWithoutAReload) {
    const testing_support::temporary_directory folder;
    const auto set = [&](const std::string& name, const std::string& text) {
        replace(folder, folder.file(name), text);
    };
    set("proof", "me:word\n");
    set("shop", "me:word\n");
    write(
        "proxy = \"http://one.example:1\"\nproxy_credentials_file = \"" + folder.file("proof") + "\"\n",
        "proxy = \"http://one.example:1\"\nproxy_credentials_file = \"" + folder.file("shop") + "\"\n");
    prepared_runtime now = good();
    const auto proof_before = now.proof;
    const auto notifier_before = now.notifier;
    const secret_reread reread(machine_, log_);
    set("shop", "me:other\n");
    secret_reread::parts changed = reread.read_changed_proxy_credentials(now);
    EXPECT_FALSE(changed.proof);
    EXPECT_TRUE(changed.notifier);
    EXPECT_NE(now.notifier, notifier_before);
    EXPECT_EQ(now.proof, proof_before);
    EXPECT_EQ(authorization(now.targets[0].route), "Basic bWU6b3RoZXI=");
    set("proof", "me:third\n");
    machine_.open_files = {folder.file("proof")};
    changed = reread.read_changed_proxy_credentials(now);
    EXPECT_TRUE(changed.proof);
    EXPECT_NE(now.proof, proof_before);
    EXPECT_EQ(log_.count(observe::log_event_id::config_insecure_file), 1U);
    const auto told = log_.of(observe::log_event_id::config_proxy);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].at("used_by"), "callback.shop");
    EXPECT_EQ(told[1].at("used_by"), "proof");
    EXPECT_EQ(told[1].at("file"), folder.file("proof"));
    set("proof", "nonsense\n");
    changed = reread.read_changed_proxy_credentials(now);
    EXPECT_FALSE(changed.proof);
    EXPECT_EQ(authorization(now.proof_options.route), "Basic bWU6dGhpcmQ=");
    EXPECT_THAT(log_.of(observe::log_event_id::config_warning).at(0).at("error"), Not(HasSubstr("nonsense")));
    set("proof", "me:third\r\n");
    EXPECT_FALSE(reread.read_changed_proxy_credentials(now).proof) << "the same ones";
}

TEST_F(ProxyChoice, ChangedCredentialsOfOneWhoseHostIsExemptNameNoProxy) {
    const testing_support::temporary_directory folder;
    const auto set = [&](const std::string& text) {
        replace(folder, folder.file("proof"), text);
        replace(folder, folder.file("shop"), text);
    };
    set("me:word\n");
    write(
        "proxy_credentials_file = \"" + folder.file("proof") + "\"\n",
        "proxy_credentials_file = \"" + folder.file("shop") + "\"\n");
    machine_.variables = {{"HTTPS_PROXY", "http://env.example:3128"}, {"NO_PROXY", "shop.example"}};
    prepared_runtime now = good();
    set("me:other\n");
    secret_reread(machine_, log_).read_changed_proxy_credentials(now);
    const auto told = log_.of(observe::log_event_id::config_proxy);
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].at("used_by"), "proof");
    EXPECT_EQ(told[0].at("proxy"), "env.example:3128");
    EXPECT_EQ(told[1].at("used_by"), "callback.shop");
    EXPECT_EQ(told[1].at("proxy"), "none");
}

} // namespace
} // namespace prooftrack::daemon
