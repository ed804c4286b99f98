#pragma once

// Whom a TLS client talks to: which certificate is accepted, and what to do when it is not.

#include <string>

#include <openssl/types.h>

namespace prooftrack::net {

/// Makes `ssl` accept only a certificate whose subjectAltName has `host` (a name, which is sent as SNI too, or an
/// address). A common name does not count, nor does a wildcard for a part of a label. False when OpenSSL refuses: then
/// there must be no connection.
bool expect_peer(SSL* ssl, const std::string& host);

/// What was wrong with the certificate, and what to do, for people: "hostname mismatch: …"; "" when it was verified.
std::string describe_certificate_fault(const SSL* ssl);

/// What to do about a failed handshake whose OpenSSL error code is this; "" when nothing is known.
std::string advise_on_handshake(unsigned long error);

} // namespace prooftrack::net
