// Webhooks by way of a proxy, and the certificate that is shown to a receiver.

#include <gmock/gmock.h>

#include "net/proxy_route.hpp"
#include "notifier_fixture.hpp"
#include "support/connect_relay.hpp"

namespace prooftrack::callback {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using verdict = delivery_outcome::verdict;

class ProxiedWebhook : public Notifier {
  protected:
    static std::shared_ptr<const net::proxy_route> route_to(const scripted_http_server& proxy) {
        return std::make_shared<const net::proxy_route>(net::http_proxy{{"127.0.0.1", proxy.port()}, {}});
    }
    scripted_http_server::script relaying(const scripted_http_server& target) {
        return [this, &target](scripted_connection& connection) {
            asked_.add(connection.read_request());
            connection.send(tunnel_made);
            relay_to(connection, target.port());
        };
    }
    callback_target to_shop(std::shared_ptr<const net::proxy_route> route) {
        callback_target target = webhook("https://shop.example/hook");
        target.tls = tls_;
        target.route = std::move(route);
        return target;
    }
    delivery_outcome deliver_to(const std::string& url, std::shared_ptr<const net::proxy_route> route) {
        callback_url_rules rules;
        rules.allow_hosts = {"*.shop.example", "169.254.169.254", "10.0.0.1"};
        rules.secrets = {key()};
        rules.tls = tls_;
        rules.route = std::move(route);
        configure({}, rules);
        delivery_job work = job("callback_url");
        work.url = url;
        return deliver(work);
    }

    seen_requests asked_;
};

TEST_F(ProxiedWebhook, GoesThroughItAndTheConnectionIsKept) {
    const scripted_http_server shop(authority_.server_context({.names = {"DNS:shop.example"}}), always_ok());
    const scripted_http_server proxy(relaying(shop));
    configure({to_shop(route_to(proxy))}, {});
    for (int i = 0; i < 2; ++i) {
        const auto outcome = deliver(job());
        EXPECT_EQ(outcome.what, verdict::delivered) << outcome.error;
    }
    EXPECT_THAT(asked_.all(), ElementsAre(StartsWith("CONNECT shop.example:443 HTTP/1.1\r\n")));
    ASSERT_EQ(requests_.all().size(), 2U);
    EXPECT_EQ(header_of(requests_.all()[0], "Host"), "shop.example");
    EXPECT_EQ(header_of(requests_.all()[0], "Proxy-Authorization"), "(none)");
}

TEST_F(ProxiedWebhook, ARefusalNamesProxyAndStatus) {
    const scripted_http_server proxy([](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 403 x\r\n\r\n");
        connection.wait_for_close();
    });
    configure({to_shop(route_to(proxy))}, {});
    const auto outcome = deliver(job());
    EXPECT_EQ(outcome.what, verdict::failed);
    EXPECT_EQ(outcome.status, 0) << "the receiver said nothing";
    EXPECT_THAT(
        outcome.error,
        AllOf(StartsWith("proxy 127.0.0.1:" + std::to_string(proxy.port())), HasSubstr("403 Forbidden")));
}

TEST_F(ProxiedWebhook, ATransactionsOwnUrlIsJudgedAsFarAsItCanBe) {
    const scripted_http_server shop(authority_.server_context({.names = {"DNS:www.shop.example"}}), always_ok());
    const scripted_http_server proxy(relaying(shop));
    EXPECT_EQ(deliver_to("https://www.shop.example/x", route_to(proxy)).what, verdict::delivered);
    EXPECT_EQ(proxy.connections(), 1U);
    EXPECT_THAT(
        deliver_to("https://169.254.169.254/x", route_to(proxy)).error, HasSubstr("the address is not allowed"));
    EXPECT_THAT(observer_.refused, ElementsAre("callback_url 169.254.169.254"));
    EXPECT_EQ(proxy.connections(), 1U) << "the proxy is not asked for it";
}

TEST_F(ProxiedWebhook, AReceiverOnThisMachineIsReachedDirectly) {
    const scripted_http_server here(always_ok());
    const scripted_http_server proxy([](scripted_connection& connection) { connection.wait_for_close(); });
    callback_target target = webhook(here.base_url());
    target.route = route_to(proxy);
    configure({target}, {});
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    const scripted_http_server socket(folder_.file("s.sock"), always_ok());
    target.url = "http+unix://" + folder_.file("s.sock") + ":/x";
    configure({target}, {});
    EXPECT_EQ(deliver(job()).what, verdict::delivered);
    EXPECT_EQ(proxy.connections(), 0U);
}

TEST_F(ProxiedWebhook, AReceiverThatDemandsACertificateGetsIt) {
    const scripted_http_server demanding(authority_.demanding_context(), always_ok());
    const pem_pair pair = authority_.issue_client();
    callback_target target = webhook(demanding.base_url());
    target.tls = tls_;
    configure({target}, {});
    EXPECT_EQ(deliver(job()).what, verdict::failed);
    target.tls = std::make_shared<net::tls_client>(
        net::trust_roots(authority_.ca_pem(), "ca.pem"),
        net::client_identity(pair.certificate, "/cert", secret(pair.key), "/key"));
    configure({target}, {});
    const auto outcome = deliver(job());
    EXPECT_EQ(outcome.what, verdict::delivered) << outcome.error;
}

} // namespace
} // namespace prooftrack::callback
