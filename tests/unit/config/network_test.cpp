// Who may be called without TLS, and who may read the metrics.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/parse.hpp"
#include "mistakes.hpp"

namespace prooftrack::config {
namespace {

using testing::HasSubstr;

/// Of a file that starts with a good [proof].
std::vector<std::string> faults_of(const std::string& rest) {
    return mistakes("[proof]\nbase_url = \"https://proof.example\"\n" + rest);
}

std::string only_fault(const std::string& rest) {
    const auto lines = faults_of(rest);
    EXPECT_EQ(lines.size(), 1U) << rest;
    return lines.empty() ? std::string() : lines.front();
}

TEST(NetworkKeys, PlainHttpGoesToTheHostsOfTheListAlone) {
    const std::string plain = "[[callback]]\nname = \"a\"\nurl = \"http://receiver:8080/x\"\nsecret_file = \"/s\"\n";
    EXPECT_THAT(only_fault(plain), HasSubstr("or name a private host in network.plain_http_hosts"));
    EXPECT_THAT(
        only_fault(plain + "[network]\nplain_http_hosts = [\"receive\"]\n"), HasSubstr("callback.url: plain http"));
    EXPECT_EQ(faults_of(plain + "[network]\nplain_http_hosts = [\"Receiver\"]\n").size(), 0U);
    EXPECT_THAT(
        only_fault(plain + "[network]\nplain_http_hosts = [\"*.x.example\"]\n"),
        HasSubstr("network.plain_http_hosts: \"*.x.example\": write each host in full"))
        << "no second mistake for the url that waits for it";
    const std::string unsigned_url = plain.substr(0, plain.find("secret_file"));
    EXPECT_THAT(
        only_fault(unsigned_url + "[network]\nplain_http_hosts = [\"receiver\"]\n"),
        HasSubstr("callback.secret_file: is required for a url over TCP"));
    std::string many;
    for (int i = 0; i < 257; ++i) many += "\"h" + std::to_string(i) + "\",";
    EXPECT_THAT(only_fault("[network]\nplain_http_hosts = [" + many + "]\n"), HasSubstr("0 to 256 entries"));
    EXPECT_THAT(
        only_fault("[network]\nplain_http_hosts = [\"" + std::string(256, 'a') + "\"]\n"), HasSubstr("at most 255"));
    EXPECT_THAT(
        mistakes("[proof]\nbase_url = \"http://receiver\"\n[network]\nplain_http_hosts = [\"receiver\"]\n"),
        testing::ElementsAre(HasSubstr("proof.base_url: plain http")))
        << "Proof is no such host";
}

TEST(NetworkKeys, MetricsForOthersAreMeant) {
    const std::string remote = "[metrics]\nlisten = \"10.0.0.5:9464\"\n";
    EXPECT_THAT(only_fault(remote), HasSubstr("metrics.listen: write HOST:PORT on a loopback address"));
    EXPECT_THAT(only_fault(remote + "allow_remote = false\n"), HasSubstr("set metrics.allow_remote = true"));
    EXPECT_THAT(faults_of(remote + "allow_remote = true\n"), testing::IsEmpty());
    EXPECT_THAT(
        only_fault(remote + "allow_remote = \"true\"\n"),
        HasSubstr("metrics.allow_remote: expected true or false without quotes, found a text"));
    EXPECT_THAT(only_fault("[metrics]\nallow_remote = 1\n"), HasSubstr("found a number"));
}

} // namespace
} // namespace prooftrack::config
