#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "notifier_fixture.hpp"

namespace prooftrack::callback {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using verdict = delivery_outcome::verdict;

class OwnUrl : public Notifier {
  protected:
    delivery_outcome deliver_to(const std::string& url, std::vector<std::string> allow_hosts) {
        callback_url_rules rules;
        rules.allow_hosts = std::move(allow_hosts);
        rules.secrets = {key()};
        rules.timeout = seconds(20);
        configure({}, rules);
        delivery_job own = job("callback_url");
        own.url = url;
        return deliver(own);
    }
};

TEST_F(OwnUrl, IsSentToAListedHostSignedWithItsOwnSecret) {
    scripted_http_server server(always_ok());
    const auto outcome = deliver_to(server.base_url() + "/order/7?t=1", {"127.0.0.1"});
    EXPECT_EQ(outcome.what, verdict::delivered) << outcome.error;
    EXPECT_EQ(header_of(requests_.all().at(0), "webhook-signature"), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST_F(OwnUrl, AnUnlistedHostIsNeverContacted) {
    scripted_http_server server(always_ok());
    EXPECT_THAT(deliver_to(server.base_url(), {"shop.example", "*.0.0.1"}).error, HasSubstr("allow_hosts"));
    EXPECT_THAT(deliver_to(server.base_url(), {}).error, HasSubstr("allow_hosts"));
    EXPECT_EQ(server.connections(), 0U);
}

TEST_F(OwnUrl, AUnixSocketIsListedByItsPath) {
    scripted_http_server server(folder_.file("s.sock"), always_ok());
    const std::string url = "http+unix://" + folder_.file("s.sock") + ":/x";
    EXPECT_EQ(deliver_to(url, {"unix:" + folder_.file("s.sock")}).what, verdict::delivered);
    EXPECT_EQ(deliver_to(url, {"unix:" + folder_.file("other.sock")}).what, verdict::failed);
}

TEST_F(OwnUrl, MetadataAndLinkLocalAddressesAreRefusedWhoeverListsThem) {
    for (const char* host :
         {"169.254.169.254", "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[fe80::1]", "0.0.0.0",
          "[64:ff9b::a9fe:a9fe]"}) {
        observer_.refused.clear();
        const auto outcome = deliver_to(std::string("https://") + host + "/latest/meta-data", {host});
        EXPECT_EQ(outcome.what, verdict::failed);
        EXPECT_THAT(outcome.error, HasSubstr("the address is not allowed")) << host;
        EXPECT_EQ(observer_.refused.size(), 1U) << host;
    }
}

} // namespace
} // namespace prooftrack::callback
