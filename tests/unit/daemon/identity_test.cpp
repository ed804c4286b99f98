// The certificate that the daemon shows: read, checked and taken over by content.

#include "runtime_fixture.hpp"

namespace prooftrack::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Identity : public Runtime {
  protected:
    Identity() {
        std::string text = text_of("old", "old.example");
        const std::string keys = "client_certificate = \"/cert\"\nclient_key = \"/key\"\n";
        text.insert(text.find("[api]"), keys);
        machine_.files[config_file] = text + keys;
        use(authority_.issue_client());
    }
    void use(const testing_support::pem_pair& pair) {
        machine_.files["/cert"] = pair.certificate;
        machine_.files["/key"] = pair.key;
    }
};

TEST_F(Identity, IsReadForProofAndForTheCallback) {
    const prepared_runtime ready = good();
    EXPECT_EQ(ready.proof_options.identity.certificate_pem(), machine_.files["/cert"]);
    EXPECT_EQ(ready.proof_options.identity.key_pem().reveal(), machine_.files["/key"]);
    EXPECT_TRUE(ready.targets[0].tls);
}

TEST_F(Identity, APairThatDoesNotFitIsRefusedForBoth) {
    machine_.files["/key"] = authority_.issue_client().key;
    EXPECT_THAT(
        texts(prepare().mistakes),
        ElementsAre(
            HasSubstr(".toml:6:1: proof.client_key: \"/key\" (PEM, a private key) cannot be used: it is not the key"),
            HasSubstr("callback.client_key: \"/key\"")));
    machine_.files["/cert"] = "nonsense";
    EXPECT_THAT(
        texts(prepare().mistakes),
        ElementsAre(HasSubstr(".toml:5:1: proof.client_certificate: \"/cert\""), HasSubstr("callback.client_cert")));
}

TEST_F(Identity, MissingAndTooLargeFilesAreNamed) {
    machine_.files.erase("/cert");
    machine_.files["/key"] = std::string(net::max_identity_bytes + 1, 'x');
    EXPECT_THAT(
        texts(prepare().mistakes),
        ElementsAre(
            HasSubstr("proof.client_certificate: read /cert: No such file"),
            HasSubstr("proof.client_key: read /key: File too large"),
            HasSubstr("callback.client_certificate: read /cert"), HasSubstr("callback.client_key: read /key")));
    use(authority_.issue_client());
    machine_.files["/cert"] += std::string(net::max_identity_bytes - machine_.files["/cert"].size(), '\n');
    EXPECT_THAT(texts(prepare().mistakes), IsEmpty()) << "at its bound";
}

TEST_F(Identity, AKeyThatOthersCanReadIsWarnedOf) {
    machine_.open_files = {"/cert", "/key"};
    EXPECT_THAT(prepare().open_files, ElementsAre("/key", "/key"));
}

TEST_F(Identity, IsSharedByContentAndNotByName) {
    const prepared_runtime first = good();
    const preparation same = prepare(&first);
    EXPECT_EQ(same.runtime->targets[0].tls, first.targets[0].tls);
    EXPECT_EQ(same.runtime->proof_options.identity, first.proof_options.identity);
    use(authority_.issue_client());
    const preparation renewed = prepare(&first);
    EXPECT_NE(renewed.runtime->targets[0].tls, first.targets[0].tls);
    EXPECT_FALSE(renewed.runtime->proof_options.identity == first.proof_options.identity);
}

TEST_F(Identity, ARefusedReloadLeavesTheOldOne) {
    observe::metrics registry("1");
    engine::meters counts(registry);
    fake_parts parts(good());
    const auto before = parts.now.targets[0].tls;
    use({authority_.issue_client().certificate, machine_.files["/key"]});
    EXPECT_FALSE(reloader(config_file, machine_, log_, counts).reload(parts));
    EXPECT_EQ(parts.now.targets[0].tls, before);
    EXPECT_THAT(parts.refusal, HasSubstr("client_key"));
    use(authority_.issue_client());
    EXPECT_TRUE(reloader(config_file, machine_, log_, counts).reload(parts));
    EXPECT_NE(parts.now.targets[0].tls, before);
}

} // namespace
} // namespace prooftrack::daemon
