// Polls and calls by way of a proxy, and the certificate that is shown to Proof.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "proof/proof_setup.hpp"
#include "support/connect_relay.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

class ProofProxy : public testing::Test {
  protected:
    static std::shared_ptr<const net::proxy_route> route_to(
        const scripted_http_server& proxy, const std::string& credentials = "") {
        net::http_proxy chosen{{"127.0.0.1", proxy.port()}, {}};
        if (!credentials.empty()) chosen.authorization = net::make_basic_authorization(secret(credentials));
        return std::make_shared<const net::proxy_route>(std::move(chosen));
    }

    proof_client_options options(std::shared_ptr<const net::proxy_route> route) const {
        proof_client_options wanted;
        wanted.base_url = "https://proof.example";
        wanted.trust = trust_;
        wanted.route = std::move(route);
        return wanted;
    }

    static proof_call call_of(const std::string& target) {
        proof_call call;
        call.target = target;
        return call;
    }

    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    scripted_http_server proof_{authority_.server_context({.names = {"DNS:proof.example"}}), serve_well};
    request_log asked_;
    scripted_http_server proxy_{[this](scripted_connection& connection) {
        asked_.add(connection.read_request());
        connection.send(tunnel_made);
        relay_to(connection, proof_.port());
    }};
};

TEST_F(ProofProxy, PollsAndCallsGoThroughItVerifiedForProofsName) {
    client_harness harness(options(route_to(proxy_, "me:word")));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::good)
        << harness.source.answer_to("tx-1").error;
    EXPECT_TRUE(harness.call(call_of("/widget/transactions/tx-2")).has_value());
    ASSERT_EQ(asked_.size(), 2U);
    EXPECT_THAT(
        asked_.all(), Each(AllOf(
                          StartsWith("CONNECT proof.example:443 HTTP/1.1\r\n"),
                          HasSubstr("Proxy-Authorization: Basic bWU6d29yZA==\r\n"))));
}

TEST_F(ProofProxy, ARefusalNamesProxyAndStatus) {
    const scripted_http_server refusing([](scripted_connection& connection) {
        connection.read_request();
        connection.send("HTTP/1.1 407 x\r\n\r\n");
        connection.wait_for_close();
    });
    const std::string name = "proxy 127.0.0.1:" + std::to_string(refusing.port());
    client_harness harness(options(route_to(refusing)));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    EXPECT_THAT(harness.source.answer_to("tx-1").error, AllOf(StartsWith(name), HasSubstr("407")));
    const auto called = harness.call(call_of("/widget/transactions/tx-1"));
    ASSERT_TRUE(called.has_error());
    EXPECT_EQ(called.error().code, proof_error::unreachable) << "nothing was sent to Proof";
    EXPECT_THAT(called.error().detail, AllOf(StartsWith(name), HasSubstr("407")));
}

TEST_F(ProofProxy, ASilentProxyGetsTheConnectTimeout) {
    const scripted_http_server silent([](scripted_connection& connection) { connection.wait_for_close(); });
    proof_client_options wanted = options(route_to(silent));
    wanted.connect_timeout = milliseconds(100);
    client_harness harness(wanted);
    const auto called = harness.call(call_of("/widget/transactions/tx-1"));
    ASSERT_TRUE(called.has_error());
    EXPECT_EQ(called.error().code, proof_error::unreachable);
    EXPECT_THAT(called.error().detail, StartsWith("proxy 127.0.0.1:" + std::to_string(silent.port()) + ": timed out"));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
}

TEST_F(ProofProxy, TheProxysOwnCertificateWouldNotDo) {
    const scripted_http_server other(authority_.server_context({.names = {"DNS:proxy.example"}}), serve_well);
    const scripted_http_server relaying([&](scripted_connection& connection) {
        connection.read_request();
        connection.send(tunnel_made);
        relay_to(connection, other.port());
    });
    client_harness harness(options(route_to(relaying)));
    harness.poll_and_wait({"tx-1"});
    EXPECT_THAT(harness.source.answer_to("tx-1").error, HasSubstr("hostname mismatch"));
}

TEST_F(ProofProxy, AReloadToAnotherWayClosesTheOldConnections) {
    scripted_http_server second([this](scripted_connection& connection) {
        asked_.add(connection.read_request());
        connection.send(tunnel_made);
        relay_to(connection, proof_.port());
    });
    client_harness harness(options(route_to(proxy_)));
    harness.poll_and_wait({"tx-1"});
    harness.reconfigure(options(route_to(proxy_)));
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(proxy_.connections(), 1U) << "an equal way: the connection lives on";
    harness.reconfigure(options(route_to(second)));
    harness.poll_and_wait({"tx-3"});
    EXPECT_EQ(second.connections(), 1U);
    EXPECT_EQ(harness.source.answer_to("tx-3").what, track::reply_class::good);
}

TEST_F(ProofProxy, AServerThatDemandsACertificateGetsTheOneInForce) {
    const scripted_http_server demanding(authority_.demanding_context(), serve_well);
    proof_client_options wanted = client_harness::options_for(demanding, trust_);
    const pem_pair pair = authority_.issue_client();
    client_harness harness(wanted);
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    wanted.identity = {pair.certificate, "/cert", secret(pair.key), "/key"};
    harness.reconfigure(wanted);
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good)
        << harness.source.answer_to("tx-2").error;
    EXPECT_TRUE(harness.call(call_of("/widget/transactions/tx-3")).has_value());
    const auto before = harness.setup->where();
    harness.reconfigure(wanted);
    EXPECT_EQ(harness.setup->where(), before) << "equal ones are shared";
}

} // namespace
} // namespace prooftrack::proof
