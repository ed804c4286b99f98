#include "certificate.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>

#include <boost/asio/ip/address.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

namespace prooftrack::sandbox {
namespace {

struct free_openssl {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(std::FILE* file) const { std::fclose(file); }
};
template <class T>
using owned = std::unique_ptr<T, free_openssl>;

struct identity {
    owned<EVP_PKEY> key;
    owned<X509> certificate;
};

constexpr long day_seconds = 24L * 60 * 60;
constexpr long authority_days = 365;
constexpr long least_days_left = 30;

void require(bool fine, std::string_view operation) {
    if (fine) return;
    std::string reason(256, '\0');
    ERR_error_string_n(ERR_get_error(), reason.data(), reason.size());
    throw std::runtime_error(fmt::format("{}: {}", operation, reason.c_str()));
}

owned<std::FILE> open_file(const std::filesystem::path& path, int flags, const char* mode) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
    std::FILE* file = descriptor < 0 ? nullptr : ::fdopen(descriptor, mode);
    if (file == nullptr) throw std::system_error(errno, std::generic_category(), path.string());
    return owned<std::FILE>(file);
}

void add_extension(X509& certificate, X509& issuer, int kind, const std::string& value) {
    X509V3_CTX context{};
    X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
    owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
    require(extension != nullptr && X509_add_ext(&certificate, extension.get(), -1) == 1, "certificate extension");
}

/// A key and a certificate without extensions and signature; the issuer's name is set by the caller.
identity begin_identity(const std::string& name, long days) {
    identity made{owned<EVP_PKEY>(EVP_EC_gen("P-256")), owned<X509>(X509_new())};
    require(made.key != nullptr && made.certificate != nullptr, "make a key");
    X509* certificate = made.certificate.get();
    std::uint64_t serial = 0;
    require(RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof(serial)) == 1, "randomness");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1U);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -day_seconds);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * day_seconds);
    X509_set_pubkey(certificate, made.key.get());
    X509_NAME* subject = X509_get_subject_name(certificate);
    const auto* text = reinterpret_cast<const unsigned char*>(name.c_str());
    require(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, text, -1, -1, 0) == 1, "certificate name");
    return made;
}

identity make_authority() {
    auto authority = begin_identity("proof-sandbox test authority", authority_days);
    X509& certificate = *authority.certificate;
    X509_set_issuer_name(&certificate, X509_get_subject_name(&certificate));
    add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
    add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
    require(X509_sign(&certificate, authority.key.get(), EVP_sha256()) > 0, "sign the authority's certificate");
    return authority;
}

identity make_server_identity(identity& authority, const std::vector<std::string>& more_hosts) {
    auto server = begin_identity("localhost", authority_days);
    X509& certificate = *server.certificate;
    std::string names = "DNS:localhost,IP:127.0.0.1,IP:::1";
    for (const auto& host : more_hosts) {
        boost::system::error_code not_address;
        boost::asio::ip::make_address(host, not_address);
        names += fmt::format(",{}:{}", not_address ? "DNS" : "IP", host);
    }
    X509& issuer = *authority.certificate;
    X509_set_issuer_name(&certificate, X509_get_subject_name(&issuer));
    add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
    add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth");
    add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
    add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
    add_extension(certificate, issuer, NID_subject_alt_name, names);
    require(X509_sign(&certificate, authority.key.get(), EVP_sha256()) > 0, "sign the server's certificate");
    return server;
}

bool is_usable(const identity& authority) {
    if (!authority.key || !authority.certificate) return false;
    if (X509_check_private_key(authority.certificate.get(), authority.key.get()) != 1) return false;
    int days = 0;
    int left_over = 0;
    if (ASN1_TIME_diff(&days, &left_over, nullptr, X509_get0_notAfter(authority.certificate.get())) != 1) return false;
    return days > least_days_left;
}

identity load_authority(const std::filesystem::path& certificate_path, const std::filesystem::path& key_path) {
    if (!std::filesystem::exists(certificate_path) || !std::filesystem::exists(key_path)) return {};
    const auto certificate_file = open_file(certificate_path, O_RDONLY, "r");
    const auto key_file = open_file(key_path, O_RDONLY, "r");
    identity loaded;
    loaded.certificate.reset(PEM_read_X509(certificate_file.get(), nullptr, nullptr, nullptr));
    loaded.key.reset(PEM_read_PrivateKey(key_file.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    return loaded;
}

identity load_or_make_authority(const std::filesystem::path& directory) {
    const auto certificate_path = directory / "ca.pem";
    const auto key_path = directory / "ca_key.pem";
    auto authority = load_authority(certificate_path, key_path);
    if (is_usable(authority)) return authority;
    authority = make_authority();
    constexpr int fresh = O_WRONLY | O_CREAT | O_TRUNC;
    const auto key_file = open_file(key_path, fresh, "w");
    require(
        PEM_write_PrivateKey(key_file.get(), authority.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "write " + key_path.string());
    const auto certificate_file = open_file(certificate_path, fresh, "w");
    require(
        PEM_write_X509(certificate_file.get(), authority.certificate.get()) == 1, "write " + certificate_path.string());
    // Everybody may know the certificate: the daemon often runs as another user.
    require(::fchmod(::fileno(certificate_file.get()), 0644) == 0, "chmod " + certificate_path.string());
    return authority;
}

} // namespace

boost::asio::ssl::context make_server_context(
    const std::filesystem::path& directory, const std::vector<std::string>& more_hosts) {
    auto authority = load_or_make_authority(directory);
    const auto server = make_server_identity(authority, more_hosts);
    boost::asio::ssl::context context(boost::asio::ssl::context::tls_server);
    SSL_CTX* raw = context.native_handle();
    SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
    constexpr std::string_view id_context = "proof-sandbox";
    SSL_CTX_set_session_id_context(
        raw, reinterpret_cast<const unsigned char*>(id_context.data()), static_cast<unsigned>(id_context.size()));
    // Many idle connections: their record buffers are given back.
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    require(SSL_CTX_use_certificate(raw, server.certificate.get()) == 1, "use the server's certificate");
    require(SSL_CTX_use_PrivateKey(raw, server.key.get()) == 1, "use the server's key");
    return context;
}

} // namespace prooftrack::sandbox
