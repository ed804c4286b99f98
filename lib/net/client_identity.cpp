#include "net/client_identity.hpp"

#include <memory>
#include <new>
#include <string_view>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

namespace prooftrack::net {
namespace {

struct bio_deleter {
    void operator()(BIO* bio) const { BIO_free(bio); }
};
struct certificate_deleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
struct key_deleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct context_deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using bio_ptr = std::unique_ptr<BIO, bio_deleter>;
using certificate_ptr = std::unique_ptr<X509, certificate_deleter>;

/// Reads from memory that must outlive it.
bio_ptr open_memory(std::string_view bytes) {
    bio_ptr bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    if (!bio) throw std::bad_alloc();
    return bio;
}

/// OpenSSL's newest error, in its words.
std::string take_reason() {
    const char* reason = ERR_reason_error_string(ERR_peek_last_error());
    std::string text = reason == nullptr ? "unknown error" : reason;
    ERR_clear_error();
    return text;
}

certificate_ptr next_certificate(BIO* bio) {
    return certificate_ptr(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

std::optional<identity_fault> use_chain(SSL_CTX* context, const client_identity& identity) {
    const auto fault = [&](std::string_view why) {
        return identity_fault{
            identity_fault::part::certificate,
            fmt::format(
                "\"{}\" (PEM, the certificate first, then its chain) cannot be used: {}", identity.certificate_file(),
                why)};
    };
    const bio_ptr bio = open_memory(identity.certificate_pem());
    certificate_ptr certificate = next_certificate(bio.get());
    if (!certificate || SSL_CTX_use_certificate(context, certificate.get()) != 1) return fault(take_reason());
    while ((certificate = next_certificate(bio.get()))) {
        if (SSL_CTX_add1_chain_cert(context, certificate.get()) != 1) return fault(take_reason());
    }
    const unsigned long end = ERR_peek_last_error();
    if (ERR_GET_LIB(end) != ERR_LIB_PEM || ERR_GET_REASON(end) != PEM_R_NO_START_LINE) return fault(take_reason());
    ERR_clear_error(); // the end of the file
    return std::nullopt;
}

/// Without it OpenSSL would ask for the passphrase on the terminal.
int refuse_passphrase(char*, int, int, void* was_asked) {
    *static_cast<bool*>(was_asked) = true;
    return -1;
}

std::optional<identity_fault> use_key(SSL_CTX* context, const client_identity& identity) {
    const auto fault = [&](std::string_view why) {
        return identity_fault{
            identity_fault::part::key,
            fmt::format("\"{}\" (PEM, a private key) cannot be used: {}", identity.key_file(), why)};
    };
    const bio_ptr bio = open_memory(identity.key_pem().reveal());
    bool is_encrypted = false;
    const std::unique_ptr<EVP_PKEY, key_deleter> key(
        PEM_read_bio_PrivateKey(bio.get(), nullptr, &refuse_passphrase, &is_encrypted));
    if (is_encrypted) {
        ERR_clear_error();
        return fault("it has a passphrase: write it without one (openssl pkey -in OLD -out NEW) and protect the file");
    }
    if (!key) return fault(take_reason());
    const bool is_taken = SSL_CTX_use_PrivateKey(context, key.get()) == 1;
    if (is_taken && SSL_CTX_check_private_key(context) == 1) return std::nullopt;
    const int reason = ERR_GET_REASON(ERR_peek_last_error());
    const std::string text = take_reason();
    const bool is_mismatch = reason == X509_R_KEY_VALUES_MISMATCH || reason == X509_R_KEY_TYPE_MISMATCH ||
                             reason == SSL_R_NO_CERTIFICATE_ASSIGNED || reason == SSL_R_NO_PRIVATE_KEY_ASSIGNED;
    if (!is_mismatch) return fault(text);
    return fault(fmt::format("it is not the key of the certificate in \"{}\"", identity.certificate_file()));
}

} // namespace

std::optional<identity_fault> use_identity(SSL_CTX* context, const client_identity& identity) {
    if (identity.is_none()) return std::nullopt;
    ERR_clear_error();
    if (auto fault = use_chain(context, identity)) return fault;
    return use_key(context, identity);
}

std::optional<identity_fault> find_identity_fault(const client_identity& identity) {
    const std::unique_ptr<SSL_CTX, context_deleter> context(SSL_CTX_new(TLS_client_method()));
    if (!context) throw std::bad_alloc();
    return use_identity(context.get(), identity);
}

} // namespace prooftrack::net
