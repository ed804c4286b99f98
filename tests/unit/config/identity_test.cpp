// client_certificate and client_key: both or neither, and where they mean something.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "mistakes.hpp"

namespace prooftrack::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string proof = "[proof]\nbase_url = \"https://proof.example\"\n";
const std::string webhook =
    "[[callback]]\nname = \"a\"\nurl = \"https://shop.example/x\"\nsecret_file = \"/s\"\nevents = [\"*\"]\n";
const std::string certificate = "client_certificate = \"/c\"\n";
const std::string key = "client_key = \"/k\"\n";

TEST(IdentityKeys, BothOrNeither) {
    const auto draft = draft_configuration(proof + certificate + key + webhook + certificate + key, "f.toml");
    EXPECT_THAT(draft.mistakes, IsEmpty());
    EXPECT_THAT(draft.warnings, IsEmpty());
    EXPECT_EQ(draft.value.proof.client_certificate, "/c");
    EXPECT_EQ(draft.value.proof.client_key, "/k");
    EXPECT_EQ(draft.value.callbacks.at(0).client_certificate, "/c");
    EXPECT_EQ(draft.value.callbacks.at(0).client_key, "/k");
    EXPECT_THAT(
        mistakes(proof + certificate + webhook + key),
        ElementsAre(
            HasSubstr("f.toml:3:1: proof.client_certificate: needs client_key"),
            HasSubstr("f.toml:9:1: callback.client_key: needs client_certificate")));
    EXPECT_THAT(
        mistakes(proof + key + "client_certificate = 5\n"),
        ElementsAre(HasSubstr("proof.client_certificate: expected")))
        << "one mistake is said once";
}

TEST(IdentityKeys, ACommandHasNoneAndPlainConnectionsShowNone) {
    const std::string command = "[[callback]]\nname = \"a\"\ncommand = [\"/bin/true\"]\n";
    EXPECT_THAT(
        mistakes(proof + command + certificate + key), ElementsAre(
                                                           HasSubstr("callback.client_certificate: belongs to a url"),
                                                           HasSubstr("callback.client_key: belongs to a url")));
    const std::string local = "[proof]\nbase_url = \"http://localhost:1\"\n" + certificate + key;
    const std::string socket = "[[callback]]\nname = \"a\"\nurl = \"http+unix:///run/x.sock:/x\"\nevents = [\"*\"]\n";
    EXPECT_THAT(
        draft_configuration(local + socket + certificate + key, "f.toml").warnings,
        ElementsAre(
            HasSubstr("callback \"a\": client_certificate has no effect without https"),
            HasSubstr("proof.client_certificate has no effect without https")));
}

} // namespace
} // namespace prooftrack::config
