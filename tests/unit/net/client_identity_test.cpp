// Mutual TLS as a client: which certificate and key can be used, and what a server sees of them.

#include "net/client_identity.hpp"

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "net/connector.hpp"
#include "net/http_exchange.hpp"
#include "net/tls.hpp"
#include "support/run_task.hpp"
#include "support/scripted_http_server.hpp"
#include "support/test_certificates.hpp"

namespace prooftrack::net {
namespace {

namespace asio = boost::asio;
using namespace testing_support;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

client_identity identity_of(const pem_pair& pair) {
    return {pair.certificate, "/cert.pem", secret(pair.key), "/key.pem"};
}

/// A new key of that type as PEM, with a passphrase when one is given.
std::string new_key(const char* type, const char* passphrase = nullptr) {
    const key_ptr key(EVP_PKEY_Q_keygen(nullptr, nullptr, type));
    const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
    const int length = passphrase == nullptr ? 0 : static_cast<int>(std::string_view(passphrase).size());
    PEM_write_bio_PKCS8PrivateKey(
        memory.get(), key.get(), passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), passphrase, length, nullptr,
        nullptr);
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory.get(), &bytes);
    return {bytes, static_cast<std::size_t>(size)};
}

class ClientIdentity : public testing::Test {
  protected:
    /// What is said of the pair; "" when nothing is wrong.
    std::string fault(const pem_pair& pair, identity_fault::part of) {
        const auto found = find_identity_fault(identity_of(pair));
        if (!found) return {};
        EXPECT_EQ(found->of, of) << found->text;
        EXPECT_THAT(found->text, Not(HasSubstr("-----")));
        EXPECT_THROW(make_tls_context(trust_, identity_of(pair)), boost::system::system_error);
        return found->text;
    }

    /// The reply of a server that demands a certificate, or the error.
    std::string ask(const client_identity& identity, int most_version = TLS1_3_VERSION) {
        asio::ssl::context context = authority_.demanding_context();
        SSL_CTX_set_max_proto_version(context.native_handle(), most_version);
        const scripted_http_server server(std::move(context), [](scripted_connection& connection) {
            connection.read_request();
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        });
        asio::io_context io(1);
        host_resolver resolver(io.get_executor());
        tls_client client(trust_, identity);
        auto stream = run_task(io, async_connect_tls(resolver, client, "localhost", server.port(), {}));
        if (stream.has_error()) return stream.error().message();
        http_connection connection{any_stream(std::move(*stream))};
        http_request request;
        request.host = "localhost";
        const auto until = std::chrono::steady_clock::now() + seconds(20);
        auto reply = run_task(io, async_http_exchange(connection, request, http_limits(), reply_wait::whole, until));
        return reply.has_error() ? reply.error().message() : reply->body;
    }

    static constexpr auto certificate = identity_fault::part::certificate;
    static constexpr auto key = identity_fault::part::key;
    test_authority authority_;
    trust_roots trust_{authority_.ca_pem(), "ca.pem"};
};

TEST_F(ClientIdentity, APairWithItsChainIsGood) {
    const test_authority issuing("issuing", authority_);
    pem_pair pair = issuing.issue_client();
    EXPECT_EQ(fault(pair, certificate), "");
    pair.certificate += issuing.ca_pem();
    EXPECT_EQ(fault(pair, certificate), "");
    EXPECT_EQ(ask(identity_of(pair)), "ok") << "the server knows the root alone";
    EXPECT_FALSE(find_identity_fault(client_identity()));
}

TEST_F(ClientIdentity, AKeyThatIsNotTheCertificatesIsNamed) {
    pem_pair pair = authority_.issue_client();
    pair.key = authority_.issue_client().key;
    EXPECT_THAT(
        fault(pair, key),
        AllOf(HasSubstr("\"/key.pem\""), HasSubstr("not the key of the certificate in \"/cert.pem\"")));
    pair.key = new_key("ED25519");
    EXPECT_THAT(fault(pair, key), HasSubstr("not the key of the certificate")) << "nor one of another type";
}

TEST_F(ClientIdentity, WhatIsNoCertificateOrNoKeyIsNamed) {
    const pem_pair good = authority_.issue_client();
    EXPECT_THAT(fault({"", good.key}, certificate), HasSubstr("\"/cert.pem\""));
    EXPECT_THAT(fault({"nonsense", good.key}, certificate), HasSubstr("\"/cert.pem\""));
    EXPECT_THAT(fault({good.key, good.key}, certificate), HasSubstr("\"/cert.pem\""));
    const std::string cut = good.certificate.substr(0, good.certificate.size() / 2);
    EXPECT_THAT(fault({good.certificate + cut, good.key}, certificate), HasSubstr("\"/cert.pem\""));
    EXPECT_THAT(fault({good.certificate, ""}, key), HasSubstr("\"/key.pem\""));
    EXPECT_THAT(fault({good.certificate, good.certificate}, key), HasSubstr("\"/key.pem\""));
}

TEST_F(ClientIdentity, AKeyWithAPassphraseIsRefusedAndNobodyIsAsked) {
    pem_pair pair = authority_.issue_client();
    pair.key = new_key("ED25519", "hushhush");
    EXPECT_THAT(fault(pair, key), HasSubstr("passphrase"));
}

TEST_F(ClientIdentity, AServerThatDemandsACertificateGetsIt) {
    EXPECT_EQ(ask(identity_of(authority_.issue_client())), "ok");
    EXPECT_EQ(ask(identity_of(authority_.issue_client()), TLS1_2_VERSION), "ok");
    EXPECT_THAT(ask(client_identity()), Not(HasSubstr("ok")));
    EXPECT_THAT(ask(client_identity(), TLS1_2_VERSION), HasSubstr("TLS handshake"));
    EXPECT_THAT(ask(identity_of(test_authority("stranger").issue_client())), Not(HasSubstr("ok")));
}

TEST_F(ClientIdentity, EqualOnesShowTheSame) {
    const pem_pair pair = authority_.issue_client();
    const client_identity one = identity_of(pair);
    EXPECT_EQ(one, (client_identity{pair.certificate, "/other.pem", secret(pair.key), "/other_key.pem"}));
    EXPECT_FALSE(one == client_identity());
    EXPECT_FALSE(one == identity_of(authority_.issue_client()));
    EXPECT_FALSE(one == (client_identity{pair.certificate, "/cert.pem", secret("x"), "/key.pem"}));
}

} // namespace
} // namespace prooftrack::net
