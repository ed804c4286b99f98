#pragma once

// With which certificate a TLS client shows who it is (mutual TLS), as a value: by content, not by the name of a file.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <openssl/types.h>

#include "base/secret.hpp"

namespace prooftrack::net {

/// Most bytes of a file with the certificate and its chain, or with the key.
inline constexpr std::size_t max_identity_bytes = 256UL * 1024;

/// A certificate, the chain behind it, and its private key, as PEM. Equal ones show the same.
class client_identity {
  public:
    client_identity() = default; ///< shows none
    /// The files say in messages where the PEM came from.
    client_identity(std::string certificate_pem, std::string certificate_file, secret key_pem, std::string key_file)
        : certificate_pem_(std::move(certificate_pem)), certificate_file_(std::move(certificate_file)),
          key_pem_(std::move(key_pem)), key_file_(std::move(key_file)) {}

    bool is_none() const { return certificate_file_.empty(); }
    const std::string& certificate_pem() const { return certificate_pem_; }
    const std::string& certificate_file() const { return certificate_file_; }
    const secret& key_pem() const { return key_pem_; }
    const std::string& key_file() const { return key_file_; }

    bool operator==(const client_identity& other) const {
        return is_none() == other.is_none() && certificate_pem_ == other.certificate_pem_ && key_pem_ == other.key_pem_;
    }

  private:
    std::string certificate_pem_;
    std::string certificate_file_; ///< "" = there is none
    secret key_pem_;
    std::string key_file_;
};

/// Why an identity cannot be used.
struct identity_fault {
    enum class part : std::uint8_t { certificate, key };
    part of = part::certificate;
    std::string text; ///< for people; names the file, never its content
};

/// Lets `context` show that identity; nothing is done for none. After a fault the context is of no more use.
std::optional<identity_fault> use_identity(SSL_CTX* context, const client_identity& identity);

/// The same on a context of its own: what stands against the identity, if anything.
std::optional<identity_fault> find_identity_fault(const client_identity& identity);

} // namespace prooftrack::net
