#include "net/tls.hpp"

#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "net/connector.hpp"
#include "net/error.hpp"
#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::HasSubstr;

resolver_options everything_is_loopback() {
    resolver_options options;
    options.lookup = [](const std::string&) -> result<address_list> {
        return address_list{asio::ip::make_address("127.0.0.1")};
    };
    return options;
}

/// Says hello, so that a client that reads meets its session ticket, and waits for the end.
void greet(scripted_connection& connection) {
    connection.send("hello");
    connection.wait_for_close();
}

class TlsClient : public testing::Test {
  protected:
    op_result<tls_stream_ptr> connect(tls_client& client, const scripted_http_server& server, const std::string& host) {
        return run_task(io_, async_connect_tls(resolver_, client, host, server.port(), {}));
    }

    /// Reads what the server says; a TLS 1.3 ticket comes with it.
    static asio::awaitable<std::size_t> read_greeting(tls_stream& stream) {
        char bytes[16];
        const auto room = asio::buffer(bytes);
        const std::size_t got = co_await stream.async_read_some(room, asio::use_awaitable);
        co_return got;
    }

    /// Connects, reads, closes, and says whether the session of an earlier connection was resumed.
    bool resumed_after_reading(tls_client& client, const scripted_http_server& server, const std::string& host) {
        auto stream = connect(client, server, host);
        if (stream.has_error()) throw std::runtime_error(stream.error().message());
        run_task(io_, read_greeting(**stream));
        return was_resumed(**stream);
    }

    test_authority authority_;
    trust_roots trust_{authority_.ca_pem(), "ca.pem"};
    asio::io_context io_{1};
    host_resolver resolver_{io_.get_executor(), everything_is_loopback()};
};

TEST_F(TlsClient, TrustsACertificateOfItsAuthorityForTheRightName) {
    scripted_http_server server(authority_.server_context(), greet);
    tls_client client(trust_);
    EXPECT_TRUE(connect(client, server, "localhost").has_value());
    EXPECT_TRUE(connect(client, server, "localhost.").has_value()) << "a final dot is not part of the name";
    EXPECT_TRUE(connect(client, server, "127.0.0.1").has_value());
}

TEST_F(TlsClient, RefusesTheWrongHost) {
    scripted_http_server server(authority_.server_context({{"DNS:other.example", "IP:127.0.0.9"}}), greet);
    tls_client client(trust_);
    for (const char* host : {"localhost", "127.0.0.1"}) {
        const auto stream = connect(client, server, host);
        ASSERT_TRUE(stream.has_error()) << host;
        EXPECT_EQ(stream.error().operation, "TLS handshake");
        EXPECT_THAT(
            stream.error().detail, testing::AnyOf(HasSubstr("hostname mismatch"), HasSubstr("IP address mismatch")));
    }
}

TEST_F(TlsClient, AWildcardCoversOneLabelAndNeverAPartOfOne) {
    scripted_http_server server(authority_.server_context({{"DNS:*.shop.example", "DNS:f*.bar.example"}}), greet);
    tls_client client(trust_);
    EXPECT_TRUE(connect(client, server, "a.shop.example").has_value());
    EXPECT_TRUE(connect(client, server, "shop.example").has_error());
    EXPECT_TRUE(connect(client, server, "a.b.shop.example").has_error());
    EXPECT_TRUE(connect(client, server, "foo.bar.example").has_error());
}

TEST_F(TlsClient, RefusesAnExpiredAndANotYetValidCertificate) {
    tls_client client(trust_);
    scripted_http_server expired(authority_.server_context({{"DNS:localhost"}, -7200, -3600}), greet);
    const auto late = connect(client, expired, "localhost");
    ASSERT_TRUE(late.has_error());
    EXPECT_THAT(late.error().detail, HasSubstr("expired"));
    scripted_http_server future(authority_.server_context({{"DNS:localhost"}, 3600, 7200}), greet);
    const auto early = connect(client, future, "localhost");
    ASSERT_TRUE(early.has_error());
    EXPECT_THAT(early.error().detail, HasSubstr("not yet valid"));
}

TEST_F(TlsClient, RefusesAnotherAuthority) {
    const test_authority stranger("a stranger");
    scripted_http_server server(stranger.server_context(), greet);
    tls_client client(trust_);
    EXPECT_TRUE(connect(client, server, "localhost").has_error());
    tls_client system{trust_roots()};
    EXPECT_TRUE(connect(system, server, "localhost").has_error());
}

TEST_F(TlsClient, ACommonNameDoesNotCount) {
    certificate_request old_fashioned;
    old_fashioned.common_name = "shop.example";
    old_fashioned.names = {};
    scripted_http_server server(authority_.server_context(old_fashioned), greet);
    tls_client client(trust_);
    const auto stream = connect(client, server, "shop.example");
    ASSERT_TRUE(stream.has_error());
    EXPECT_THAT(stream.error().detail, HasSubstr("hostname mismatch"));
    EXPECT_THAT(stream.error().detail, HasSubstr("subjectAltName"));
}

TEST_F(TlsClient, AnIssuingAuthorityAloneIsTrusted) {
    const test_authority issuing("prooftrack test issuing CA", authority_);
    scripted_http_server server(issuing.server_context(), greet);
    tls_client client(trust_roots(issuing.ca_pem(), "issuing.pem"));
    const auto stream = connect(client, server, "localhost");
    EXPECT_TRUE(stream.has_value()) << stream.error().message();
    tls_client root_alone(trust_);
    const auto missing = connect(root_alone, server, "localhost");
    ASSERT_TRUE(missing.has_error()) << "the server does not send the issuing authority";
    EXPECT_THAT(missing.error().detail, HasSubstr("ca_file"));
}

TEST_F(TlsClient, EachFaultNamesTheNextStep) {
    tls_client client(trust_);
    scripted_http_server expired(authority_.server_context({{"DNS:localhost"}, -7200, -3600}), greet);
    EXPECT_THAT(connect(client, expired, "localhost").error().detail, HasSubstr("renew the server's certificate"));
    scripted_http_server early(authority_.server_context({{"DNS:localhost"}, 3600, 7200}), greet);
    EXPECT_THAT(connect(client, early, "localhost").error().detail, HasSubstr("clock"));
    scripted_http_server plain([](scripted_connection& connection) {
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.wait_for_close();
    });
    EXPECT_THAT(connect(client, plain, "localhost").error().detail, HasSubstr("does not speak TLS on this port"));
}

TEST_F(TlsClient, RefusesTls11) {
    auto context = authority_.server_context();
    SSL_CTX_set_security_level(context.native_handle(), 0);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context.native_handle(), TLS1_1_VERSION);
    scripted_http_server server(std::move(context), greet);
    tls_client client(trust_);
    EXPECT_TRUE(connect(client, server, "localhost").has_error());
}

TEST_F(TlsClient, ASilentServerIsGivenUpAtTheHandshakesDeadline) {
    scripted_http_server server([](scripted_connection& connection) { connection.wait_for_close(); });
    tls_client client(trust_);
    connect_options options;
    options.handshake = milliseconds(30);
    const auto stream = run_task(io_, async_connect_tls(resolver_, client, "localhost", server.port(), options));
    ASSERT_TRUE(stream.has_error());
    EXPECT_EQ(stream.error().code, net_error::timed_out);
    EXPECT_EQ(stream.error().operation, "TLS handshake");
}

TEST_F(TlsClient, AServerThatSpeaksNoTlsIsRefused) {
    scripted_http_server server([](scripted_connection& connection) {
        connection.send("HTTP/1.1 400 Bad Request\r\n\r\n");
        connection.wait_for_close();
    });
    tls_client client(trust_);
    EXPECT_TRUE(connect(client, server, "localhost").has_error());
}

TEST_F(TlsClient, ResumesASessionOfTls13AndTls12) {
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        auto context = authority_.server_context();
        SSL_CTX_set_max_proto_version(context.native_handle(), version);
        scripted_http_server server(std::move(context), greet);
        tls_client client(trust_);
        EXPECT_FALSE(resumed_after_reading(client, server, "localhost"));
        EXPECT_TRUE(resumed_after_reading(client, server, "localhost"));
        EXPECT_TRUE(resumed_after_reading(client, server, "localhost"));
        client.forget_sessions();
        EXPECT_FALSE(resumed_after_reading(client, server, "localhost"));
    }
}

TEST_F(TlsClient, ASessionIsOfferedToItsOwnHostOnly) {
    scripted_http_server server(authority_.server_context({{"DNS:a.example", "DNS:b.example"}}), greet);
    tls_client client(trust_);
    EXPECT_FALSE(resumed_after_reading(client, server, "a.example"));
    EXPECT_FALSE(resumed_after_reading(client, server, "b.example"));
    EXPECT_TRUE(resumed_after_reading(client, server, "a.example"));
}

TEST_F(TlsClient, AStreamMayOutliveItsClient) {
    scripted_http_server server(authority_.server_context(), greet);
    std::optional<tls_client> client(trust_);
    auto stream = connect(*client, server, "localhost");
    ASSERT_TRUE(stream.has_value());
    client.reset();
    EXPECT_EQ(run_task(io_, read_greeting(**stream)), 5U);
}

TEST_F(TlsClient, ABadBundleIsNamed) {
    for (const char* pem :
         {"", "no certificate in here\n", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}) {
        try {
            make_tls_context(trust_roots(pem, "/etc/ca.pem"));
            FAIL() << pem;
        } catch (const boost::system::system_error& failure) {
            EXPECT_THAT(failure.what(), HasSubstr("/etc/ca.pem"));
        }
    }
}

TEST(TrustRoots, AreEqualWhenTheyTrustTheSame) {
    EXPECT_EQ(trust_roots("a", "/x"), trust_roots("a", "/y"));
    EXPECT_NE(trust_roots("a", "/x"), trust_roots("b", "/x"));
    EXPECT_NE(trust_roots("", "/x"), trust_roots());
    EXPECT_EQ(trust_roots(), trust_roots());
}

TEST(TrustRoots, SeeThatTheSystemsWereReplaced) {
    temporary_directory folder;
    const std::string bundle = folder.write("bundle.pem", "one");
    ::setenv("SSL_CERT_FILE", bundle.c_str(), 1);
    const trust_roots before;
    EXPECT_EQ(before, trust_roots());
    folder.write("bundle.pem", "another one");
    EXPECT_NE(before, trust_roots());
    ::unsetenv("SSL_CERT_FILE");
}

} // namespace
} // namespace prooftrack::net
