// A reload beside requests: each keeps the server, the certificates and the token that it began with.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class ProofReload : public testing::Test {
  protected:
    scripted_http_server::script logging(request_log& log) {
        return [&log](scripted_connection& connection) {
            while (true) connection.send(good_reply(log.add(connection.read_request())));
        };
    }

    /// A call that has begun and whose connection is not made yet.
    std::optional<op_result<proof_reply>>& begin_call(client_harness& harness) {
        proof_call request;
        request.target = "/widget/transactions/by-call";
        harness.client->call(request, [this](op_result<proof_reply> got) { outcome_.emplace(std::move(got)); });
        harness.io.run_one();
        return outcome_;
    }

    request_log old_log_;
    request_log new_log_;
    std::optional<op_result<proof_reply>> outcome_;
};

TEST_F(ProofReload, ACallThatIsConnectingKeepsServerAndToken) {
    scripted_http_server old_server(logging(old_log_));
    scripted_http_server new_server(logging(new_log_));
    client_harness harness(client_harness::options_for(old_server));
    auto& outcome = begin_call(harness);
    EXPECT_EQ(old_log_.size(), 0U) << "it is still connecting";
    harness.reconfigure(client_harness::options_for(new_server), "token-2");
    harness.run_until([&] { return outcome.has_value(); });
    ASSERT_EQ(old_log_.size(), 1U);
    EXPECT_THAT(old_log_.all()[0], HasSubstr("Bearer token-1\r\n"));
    EXPECT_THAT(old_log_.all()[0], HasSubstr("Host: 127.0.0.1:" + std::to_string(old_server.port()) + "\r\n"));
    EXPECT_THAT(new_log_.all(), IsEmpty());
    EXPECT_TRUE(outcome->has_value());
}

TEST_F(ProofReload, ACallThatIsConnectingKeepsItsTokenAlsoWhenOnlyTheTokenChanges) {
    scripted_http_server server(logging(old_log_));
    client_harness harness(client_harness::options_for(server));
    auto& outcome = begin_call(harness);
    harness.set_token("token-2");
    harness.run_until([&] { return outcome.has_value(); });
    EXPECT_THAT(old_log_.all().at(0), HasSubstr("Bearer token-1\r\n"));
}

TEST_F(ProofReload, APollThatWaitsForAConnectionGoesToTheNewServerAlone) {
    scripted_http_server old_server(logging(old_log_));
    scripted_http_server new_server(logging(new_log_));
    for (int turns = 0; turns < 6; ++turns) { // at each step of the connecting
        client_harness harness(client_harness::options_for(old_server));
        harness.poll({"tx-1"});
        for (int i = 0; i < turns; ++i) harness.io.run_one_for(milliseconds(1));
        harness.reconfigure(client_harness::options_for(new_server), "token-2");
        harness.run_until_answers(1);
        harness.poll_and_wait({"tx-2"});
    }
    for (const std::string& request : old_log_.all()) EXPECT_THAT(request, Not(HasSubstr("token-2")));
    for (const std::string& request : new_log_.all()) EXPECT_THAT(request, HasSubstr("Bearer token-2\r\n"));
    EXPECT_GE(new_log_.size(), 6U);
}

TEST_F(ProofReload, CertificatesCountByTheirContent) {
    const test_authority first;
    const test_authority second("another authority");
    scripted_http_server server(first.server_context(), serve_well);
    const net::trust_roots wrong(second.ca_pem(), "/etc/ca.pem");
    const net::trust_roots right(first.ca_pem(), "/etc/ca.pem");
    client_harness harness(client_harness::options_for(server, wrong));
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    harness.reconfigure(client_harness::options_for(server, right));
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    harness.reconfigure(client_harness::options_for(server, right));
    harness.poll_and_wait({"tx-3"});
    EXPECT_EQ(harness.observer.full_handshakes + harness.observer.resumed_handshakes, 1U) << "nothing has changed";
    harness.reconfigure(client_harness::options_for(server, wrong));
    harness.poll_and_wait({"tx-4"});
    EXPECT_THAT(harness.source.answer_to("tx-4").error, HasSubstr("tls: "))
        << "the open connection was trusted by the old file";
}

TEST_F(ProofReload, ANewTokenUsesTheOpenConnection) {
    scripted_http_server server(logging(old_log_));
    client_harness harness(client_harness::options_for(server));
    harness.poll_and_wait({"tx-1"});
    harness.reconfigure(client_harness::options_for(server), "token-2");
    harness.poll_and_wait({"tx-2"});
    EXPECT_THAT(old_log_.all().at(1), HasSubstr("Bearer token-2\r\n"));
    EXPECT_EQ(server.connections(), 1U);
}

} // namespace
} // namespace prooftrack::proof
