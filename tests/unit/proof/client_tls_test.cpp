// TLS as the client does it: whom it believes, what it says when it does not, and sessions.

#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client_harness.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::proof {
namespace {

using namespace testing_support;
using namespace std::chrono_literals;
using testing::StartsWith;

class ProofTls : public testing::Test {
  protected:
    /// One poll against a TLS server with this certificate.
    track::poll_answer answer_with(
        boost::asio::ssl::context context, const scripted_http_server::script& script = serve_well,
        const std::string& host = "localhost") {
        scripted_http_server server(std::move(context), script);
        proof_client_options options = client_harness::options_for(server, trust_);
        options.base_url = "https://" + host + ":" + std::to_string(server.port());
        client_harness harness(options);
        harness.poll_and_wait({"tx-1"});
        handshakes_ = harness.observer.full_handshakes;
        return harness.source.answer_to("tx-1");
    }

    test_authority authority_;
    net::trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    std::size_t handshakes_ = 0;
};

TEST_F(ProofTls, RequestsAServerOfTheGivenAuthority) {
    const track::poll_answer answer = answer_with(authority_.server_context());
    EXPECT_EQ(answer.what, track::reply_class::good) << answer.error;
    EXPECT_EQ(handshakes_, 1U);
}

TEST_F(ProofTls, AsksAnAddressThatTheCertificateNames) {
    EXPECT_EQ(answer_with(authority_.server_context(), serve_well, "127.0.0.1").what, track::reply_class::good);
    const track::poll_answer other =
        answer_with(authority_.server_context({.names = {"DNS:localhost"}}), serve_well, "127.0.0.1");
    EXPECT_THAT(other.error, StartsWith("tls: certificate verify failed (IP address mismatch: "));
}

TEST_F(ProofTls, RefusesAStrangersCertificate) {
    const test_authority stranger("another CA");
    const track::poll_answer answer = answer_with(stranger.server_context());
    EXPECT_EQ(answer.what, track::reply_class::no_reply);
    EXPECT_THAT(answer.error, StartsWith("tls: certificate verify failed (unable to get local issuer certificate: "));
    EXPECT_EQ(handshakes_, 0U);
}

TEST_F(ProofTls, RefusesTheCertificateOfAnotherHost) {
    const track::poll_answer answer = answer_with(authority_.server_context({.names = {"DNS:proof.example"}}));
    EXPECT_EQ(answer.what, track::reply_class::no_reply);
    EXPECT_THAT(answer.error, StartsWith("tls: certificate verify failed (hostname mismatch: "));
}

TEST_F(ProofTls, ACommonNameDoesNotCountAndAnIssuingAuthorityIsEnough) {
    certificate_request old_fashioned;
    old_fashioned.common_name = "localhost";
    old_fashioned.names = {};
    EXPECT_THAT(answer_with(authority_.server_context(old_fashioned)).error, testing::HasSubstr("hostname mismatch"));
    const test_authority issuing("prooftrack test issuing CA", authority_);
    trust_ = net::trust_roots(issuing.ca_pem(), "issuing.pem");
    const track::poll_answer answer = answer_with(issuing.server_context());
    EXPECT_EQ(answer.what, track::reply_class::good) << answer.error;
}

TEST_F(ProofTls, RefusesAnExpiredCertificateAndOneOfTheFuture) {
    certificate_request expired;
    expired.valid_from = -7200;
    expired.valid_until = -3600;
    EXPECT_THAT(
        answer_with(authority_.server_context(expired)).error,
        StartsWith("tls: certificate verify failed (certificate has expired: "));
    certificate_request future;
    future.valid_from = 3600;
    EXPECT_THAT(
        answer_with(authority_.server_context(future)).error,
        StartsWith("tls: certificate verify failed (certificate is not yet valid: "));
}

TEST_F(ProofTls, RefusesTlsBefore12) {
    auto context = authority_.server_context();
    SSL_CTX_set_security_level(context.native_handle(), 0);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_1_VERSION);
    const track::poll_answer answer = answer_with(std::move(context));
    EXPECT_EQ(answer.what, track::reply_class::no_reply);
    EXPECT_EQ(answer.error.substr(0, 5), "tls: ") << answer.error;
    auto twelve = authority_.server_context();
    SSL_CTX_set_max_proto_version(twelve.native_handle(), TLS1_2_VERSION);
    EXPECT_EQ(answer_with(std::move(twelve)).what, track::reply_class::good);
}

TEST_F(ProofTls, SaysWhenThePeerSpeaksNoTls) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.read_some();
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.wait_for_close();
    });
    proof_client_options options = client_harness::options_for(server, trust_);
    options.base_url = "https://localhost:" + std::to_string(server.port());
    client_harness harness(options);
    harness.poll_and_wait({"tx-1"});
    EXPECT_THAT(
        harness.source.answer_to("tx-1").error,
        StartsWith("tls: wrong version number (the server does not speak TLS on this port"));
}

TEST_F(ProofTls, AHandshakeThatNeverEndsTimesOut) {
    scripted_http_server server([](scripted_connection& connection) { connection.wait_for_close(); });
    proof_client_options options = client_harness::options_for(server, trust_);
    options.base_url = "https://127.0.0.1:" + std::to_string(server.port()); // needs no lookup
    options.connect_timeout = 300ms;                                         // which TCP alone never takes
    client_harness harness(options);
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").what, track::reply_class::no_reply);
    EXPECT_EQ(harness.source.answer_to("tx-1").error, "tls: timed out");
}

TEST_F(ProofTls, AHandshakeThatIsCutOffSaysSo) {
    scripted_http_server server([](scripted_connection& connection) { connection.read_some(); });
    proof_client_options options = client_harness::options_for(server, trust_);
    options.base_url = "https://localhost:" + std::to_string(server.port());
    client_harness harness(options);
    harness.poll_and_wait({"tx-1"});
    EXPECT_EQ(harness.source.answer_to("tx-1").error, "tls: connection closed");
}

TEST_F(ProofTls, ResumesTheSessionOnTheNextConnection) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto context = authority_.server_context();
        SSL_CTX_set_max_proto_version(context.native_handle(), version);
        scripted_http_server server(std::move(context), serve_well);
        client_harness harness(client_harness::options_for(server, trust_));
        for (int i = 0; i < 5; ++i) {
            harness.poll_and_wait({"tx-" + std::to_string(i)});
            harness.client->retire_connections();
        }
        EXPECT_EQ(harness.observer.full_handshakes, 1U) << version;
        EXPECT_EQ(harness.observer.resumed_handshakes, 4U) << version;
    }
}

TEST_F(ProofTls, AnEndWithoutCloseNotifyIsTruncationUnlessTheReplyIsWhole) {
    const auto unframed = [](scripted_connection& connection) {
        const std::string body = transaction_body(asked_id(connection.read_request()), "completed");
        connection.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + body);
    };
    const track::poll_answer cut = answer_with(authority_.server_context(), unframed);
    EXPECT_EQ(cut.what, track::reply_class::unusable) << "anyone on the way could have cut it";
    EXPECT_EQ(cut.error, "reply: truncated");
    const auto framed = [](scripted_connection& connection) { connection.send(good_reply(connection.read_request())); };
    EXPECT_EQ(answer_with(authority_.server_context(), framed).what, track::reply_class::good);
}

TEST_F(ProofTls, ClosesInOrderAndWithoutWaiting) {
    std::atomic<int> in_order = 0;
    scripted_http_server server(authority_.server_context(), [&](scripted_connection& connection) {
        try {
            serve_well(connection);
        } catch (const scripted_connection::peer_gone& gone) {
            if (gone.in_order) ++in_order;
        }
    });
    client_harness harness(client_harness::options_for(server, trust_));
    harness.poll_and_wait({"tx-1"});
    harness.client->retire_connections();
    harness.run_until([&] { return in_order == 1; });
    EXPECT_TRUE(harness.call({proof_call::method_kind::get, "/widget/transactions/x", ""}).has_value());
    harness.run_until([&] { return in_order == 2; });
}

TEST_F(ProofTls, AStaleConnectionIsRepeated) {
    scripted_http_server server(authority_.server_context(), [](scripted_connection& connection) {
        connection.send(good_reply(connection.read_request()));
        if (connection.index > 0) serve_well(connection);
        connection.read_request();
    });
    client_harness harness(client_harness::options_for(server, trust_));
    harness.poll_and_wait({"tx-1"});
    harness.poll_and_wait({"tx-2"});
    EXPECT_EQ(harness.source.answer_to("tx-2").what, track::reply_class::good);
    EXPECT_EQ(harness.source.repeats_asked.size(), 1U);
}

TEST_F(ProofTls, ReadsBigRepliesInManyRecords) {
    const auto big = [](scripted_connection& connection) {
        const std::string id = asked_id(connection.read_request());
        const std::string body = R"({"merchant_transaction_id":")" + id + R"(","x":")" + std::string(60000, 'x') +
                                 R"(","status":"pending"})";
        connection.send(http_reply(200, body));
        connection.wait_for_close();
    };
    const track::poll_answer answer = answer_with(authority_.server_context(), big);
    EXPECT_EQ(answer.what, track::reply_class::good);
    EXPECT_GT(answer.body.size(), 60000U);
}

TEST_F(ProofTls, ManyConnectionsAnswerThousands) {
    scripted_http_server server(authority_.server_context(), serve_well);
    proof_client_options options = client_harness::options_for(server, trust_);
    options.connections = 32;
    client_harness harness(options);
    std::vector<std::string> ids;
    for (int i = 0; i < 4000; ++i) ids.push_back("tx-" + std::to_string(i));
    harness.poll_and_wait(ids);
    for (const auto& each : harness.source.answers) ASSERT_EQ(each.answer.body, transaction_body(each.ticket.id));
}

TEST_F(ProofTls, TheClientMayBeDestroyedAtAnyMoment) {
    scripted_http_server server(authority_.server_context(), serve_well);
    for (int steps = 0; steps < 40; ++steps) {
        client_harness harness(client_harness::options_for(server, trust_));
        harness.poll({"tx-1", "tx-2", "tx-3"});
        for (int i = 0; i < steps; ++i) {
            harness.io.restart();
            harness.io.run_one_for(1ms);
        }
        harness.client.reset();
        harness.run_for(1ms);
    }
}

} // namespace
} // namespace prooftrack::proof
