#include "net/tls_peer.hpp"

#include <string_view>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/host_rules.hpp"

namespace prooftrack::net {
namespace {

std::string_view advise_on_certificate(long verdict) {
    switch (verdict) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return "no authority that is trusted here has issued it: put the issuing CA's certificate into ca_file, or let "
               "the server send its whole chain";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "write the host as the certificate's subjectAltName has it, or have one issued for this host (a common "
               "name does not count)";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "renew the server's certificate, or set this machine's clock";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "set this machine's clock, or the server's certificate begins later";
    case X509_V_ERR_CA_MD_TOO_WEAK:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_EE_KEY_TOO_SMALL:
        return "have the server's certificates issued anew with a stronger key or hash";
    default:
        return "look at it with `openssl s_client -showcerts -connect HOST:PORT`";
    }
}

} // namespace

bool expect_peer(SSL* ssl, const std::string& host) {
    const std::string name(without_final_dot(host));
    const auto literal = canonical_address(name);
    if (literal) return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), literal->c_str()) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return SSL_set_tlsext_host_name(ssl, name.c_str()) == 1 && SSL_set1_host(ssl, name.c_str()) == 1;
}

std::string describe_certificate_fault(const SSL* ssl) {
    const long verdict = SSL_get_verify_result(ssl);
    if (verdict == X509_V_OK) return {};
    return fmt::format("{}: {}", X509_verify_cert_error_string(verdict), advise_on_certificate(verdict));
}

std::string advise_on_handshake(unsigned long error) {
    if (ERR_GET_LIB(error) != ERR_LIB_SSL) return {};
    switch (ERR_GET_REASON(error)) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
        return "the server does not speak TLS on this port: look at the port and at https";
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return "the server has to offer TLS 1.2 or newer";
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
        return "the server shares no cipher with us or does not know this host name: see its log";
    case SSL_R_TLSV1_UNRECOGNIZED_NAME:
        return "the server does not know this host name";
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return "the server wants a client's certificate, or another one: see client_certificate and client_key";
    default:
        return {};
    }
}

} // namespace prooftrack::net
