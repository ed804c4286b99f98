#include "callback/webhook_sender.hpp"

#include <string>

#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::callback {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::HasSubstr;
using verdict = delivery_outcome::verdict;

/// The sender with a DNS of the test's own: what an attacker's name server would say.
class WebhookSender : public testing::Test {
  protected:
    delivery_outcome send(std::shared_ptr<const webhook_target> target, std::vector<std::string> addresses) {
        net::resolver_options names;
        names.lookup = [addresses](const std::string&) -> result<net::address_list> {
            net::address_list list;
            for (const auto& each : addresses) list.push_back(asio::ip::make_address(each));
            return list;
        };
        webhook_sender sender(io_.get_executor(), "prooftrackd/test", names);
        delivery_job job;
        job.event_id = "evt_1";
        job.body = std::make_shared<const std::string>("{}");
        was_refused_ = false;
        return run_task(io_, sender.async_send(std::move(target), job, was_refused_));
    }

    std::shared_ptr<const webhook_target> own_url(
        const std::string& url, const std::string& allow, const std::vector<std::string>& plain_http_hosts = {}) {
        callback_url_rules rules;
        rules.allow_hosts = {allow};
        rules.secrets = keys_;
        rules.tls = tls_;
        return make_own_url_target(check_own_url(url, rules.allow_hosts, plain_http_hosts).value(), rules);
    }

    std::shared_ptr<const webhook_target> configured(
        const std::string& url, const std::vector<std::string>& plain_http_hosts = {}) {
        callback_target target;
        target.url = url;
        target.secrets = keys_;
        target.tls = tls_;
        return make_configured_target(target, plain_http_hosts);
    }

    std::string http(const std::string& host) { return "http://" + host + ":" + std::to_string(plain_.port()) + "/"; }

    std::string https(const std::string& host) {
        return "https://" + host + ":" + std::to_string(server_.port()) + "/";
    }

    test_authority authority_;
    std::shared_ptr<net::tls_client> tls_ =
        std::make_shared<net::tls_client>(net::trust_roots(authority_.ca_pem(), "ca.pem"));
    std::vector<secret> keys_{secret("0123456789abcdef0123456789abcdef")};
    scripted_http_server server_{
        authority_.server_context({{"DNS:shop.example", "DNS:a.shop.example"}}), [](scripted_connection& connection) {
            connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            connection.wait_for_close();
        }};
    scripted_http_server plain_{[](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        connection.wait_for_close();
    }};
    asio::io_context io_{1};
    bool was_refused_ = false;
};

TEST_F(WebhookSender, AnExactHostMayResolveToAPrivateAddress) {
    const auto outcome = send(own_url(https("shop.example"), "shop.example"), {"127.0.0.1"});
    EXPECT_EQ(outcome.what, verdict::delivered) << outcome.error;
    EXPECT_FALSE(was_refused_);
}

TEST_F(WebhookSender, AWildcardHostMayNotHoweverTheAddressIsWrapped) {
    for (const char* address :
         {"127.0.0.1", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fd00::1", "169.254.169.254"}) {
        const auto outcome = send(own_url(https("a.shop.example"), "*.shop.example"), {address});
        EXPECT_EQ(outcome.what, verdict::failed) << address;
        EXPECT_THAT(outcome.error, HasSubstr("the address is not allowed")) << address;
        EXPECT_TRUE(was_refused_) << address;
    }
    EXPECT_EQ(server_.connections(), 0U);
}

TEST_F(WebhookSender, AReboundNameIsJudgedByTheAddressItHasNow) {
    const auto target = own_url(https("shop.example"), "shop.example");
    EXPECT_EQ(send(target, {"127.0.0.1"}).what, verdict::delivered);
    const auto rebound = send(target, {"169.254.169.254", "::ffff:169.254.169.254"});
    EXPECT_EQ(rebound.what, verdict::failed);
    EXPECT_TRUE(was_refused_);
}

TEST_F(WebhookSender, AConfiguredHostMayBeAnywhereButPlainHttpStaysOnThisMachine) {
    EXPECT_EQ(send(configured(https("shop.example")), {"127.0.0.1"}).what, verdict::delivered);
    const auto astray = send(configured("http://localhost:1/"), {"192.0.2.1"});
    EXPECT_THAT(astray.error, HasSubstr("the address is not allowed"));
    const auto own = send(own_url("http://localhost:1/", "localhost"), {"10.0.0.1"});
    EXPECT_THAT(own.error, HasSubstr("the address is not allowed"));
}

TEST_F(WebhookSender, APlainHttpHostIsCalledAtLoopbackAndPrivateAddressesAloneAndSigned) {
    const std::vector<std::string> plain{"receiver"};
    for (const auto& target : {configured(http("receiver"), plain), own_url(http("receiver"), "receiver", plain)}) {
        EXPECT_EQ(send(target, {"127.0.0.1"}).what, verdict::delivered);
        for (const char* address :
             {"8.8.8.8", "169.254.169.254", "169.254.1.1", "fe80::1", "2600::1", "::ffff:8.8.8.8", "64:ff9b::a00:5",
              "0.0.0.0"}) {
            // Whatever stands beside it: a name that says so once is not trusted the other time.
            const auto refused = send(target, {"127.0.0.1", address});
            EXPECT_EQ(refused.what, verdict::failed) << address;
            EXPECT_TRUE(was_refused_) << address;
            EXPECT_THAT(refused.error, HasSubstr("the address is not allowed (receiver resolves to ")) << address;
            EXPECT_THAT(refused.error, HasSubstr("plain http goes to loopback and private addresses alone"));
        }
        // Nothing listens there; that it was tried is what counts.
        const auto tried = send(target, {"127.0.0.2"});
        EXPECT_FALSE(was_refused_) << tried.error;
    }
    keys_.clear();
    EXPECT_THROW(configured(http("receiver"), plain), boost::system::system_error) << "nothing over TCP unsigned";
    EXPECT_EQ(plain_.connections(), 2U);
}

TEST_F(WebhookSender, TheCertificateMustBeForTheNameNotTheAddress) {
    const auto outcome = send(configured(https("other.example")), {"127.0.0.1"});
    EXPECT_THAT(outcome.error, HasSubstr("hostname mismatch"));
}

TEST_F(WebhookSender, HeadersOfTheConfigurationAreSentAndTakeThePlaceOfOurs) {
    callback_target target;
    target.url = "http+unix:///run/shop.sock:/hook";
    delivery_job job;
    job.event_id = "evt_1";
    job.body = std::make_shared<const std::string>("{}");
    const auto written = [&] {
        return net::format_request_head(make_webhook_request(*make_configured_target(target), job, "ours/1")).value();
    };
    EXPECT_THAT(written(), testing::AllOf(HasSubstr("User-Agent: ours/1\r\n"), HasSubstr("Accept: */*\r\n")));
    target.headers = {{"Authorization", secret("Bearer abc")}, {"user-agent", secret("gate")}};
    EXPECT_THAT(
        written(), testing::AllOf(
                       HasSubstr("\r\nAuthorization: Bearer abc\r\n"), HasSubstr("\r\nuser-agent: gate\r\n"),
                       HasSubstr("Accept: */*\r\n"), testing::Not(HasSubstr("ours/1"))));
}

TEST_F(WebhookSender, NothingGoesOverTcpUnsigned) {
    // Nobody can make such a target; if somebody could, the sender would refuse it.
    for (const char* scheme : {"https", "http"}) {
        auto target = std::make_shared<webhook_target>(*configured(https("shop.example")));
        target->url =
            parse_http_url(std::string(scheme) + "://localhost:" + std::to_string(server_.port()) + "/").value();
        target->keys.clear();
        const auto outcome = send(target, {"127.0.0.1"});
        EXPECT_EQ(outcome.what, verdict::failed);
        EXPECT_THAT(outcome.error, HasSubstr("nothing goes over TCP unsigned"));
    }
    keys_.clear();
    EXPECT_THROW(configured(https("shop.example")), boost::system::system_error);
    EXPECT_THROW(configured("http://127.0.0.1:1/"), boost::system::system_error);
    EXPECT_NO_THROW(configured("http+unix:///run/shop.sock:/hook"));
    EXPECT_EQ(server_.connections(), 0U);
}

} // namespace
} // namespace prooftrack::callback
