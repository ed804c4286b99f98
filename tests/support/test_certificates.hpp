#pragma once

// A certificate authority and server certificates made at run time through OpenSSL's API: nothing secret lies in the
// repository, nothing expires by itself.

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <boost/asio/ssl/context.hpp>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace prooftrack::testing_support {

struct key_deleter {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
struct certificate_deleter {
    void operator()(X509* certificate) const { X509_free(certificate); }
};
using key_ptr = std::unique_ptr<EVP_PKEY, key_deleter>;
using certificate_ptr = std::unique_ptr<X509, certificate_deleter>;

/// A key and the certificate for it, both as PEM.
struct pem_pair {
    std::string certificate;
    std::string key;
};

/// What a server certificate says. `names` as in OpenSSL's subjectAltName: "DNS:localhost", "IP:127.0.0.1".
struct certificate_request {
    std::vector<std::string> names{"DNS:localhost", "IP:127.0.0.1", "IP:::1"};
    long valid_from = -3600; ///< seconds from now
    long valid_until = 86400;
    std::string common_name = "prooftrack test server";
    std::string usage = "serverAuth"; ///< extended key usage
};

/// A throw-away certificate authority (P-256).
class test_authority {
  public:
    explicit test_authority(const std::string& name = "prooftrack test CA")
        : key_(new_key()), certificate_(X509_new()) {
        fill(certificate_.get(), name, key_.get(), -3600, 86400);
        X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
        extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
        extend(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
        sign(certificate_.get());
    }

    /// An issuing authority below `root`.
    test_authority(const std::string& name, const test_authority& root) : key_(new_key()), certificate_(X509_new()) {
        fill(certificate_.get(), name, key_.get(), -3600, 86400);
        X509_set_issuer_name(certificate_.get(), X509_get_subject_name(root.certificate_.get()));
        extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
        extend(certificate_.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
        root.sign(certificate_.get());
    }

    std::string ca_pem() const { return to_pem(certificate_.get()); }

    pem_pair issue(const certificate_request& request = {}) const {
        const key_ptr key = new_key();
        const certificate_ptr certificate(X509_new());
        fill(certificate.get(), request.common_name, key.get(), request.valid_from, request.valid_until);
        X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
        std::string names;
        for (const auto& name : request.names) names += (names.empty() ? "" : ",") + name;
        if (!names.empty()) extend(certificate.get(), NID_subject_alt_name, names);
        extend(certificate.get(), NID_ext_key_usage, request.usage);
        sign(certificate.get());
        return {to_pem(certificate.get()), to_pem(key.get())};
    }

    /// A server's context with a fresh certificate of this authority.
    boost::asio::ssl::context server_context(const certificate_request& request = {}) const {
        const pem_pair pair = issue(request);
        boost::asio::ssl::context context(boost::asio::ssl::context::tls_server);
        context.use_certificate_chain(boost::asio::buffer(pair.certificate));
        context.use_private_key(boost::asio::buffer(pair.key), boost::asio::ssl::context::pem);
        SSL_CTX_set_session_id_context(context.native_handle(), reinterpret_cast<const unsigned char*>("test"), 4);
        return context;
    }

    /// The same that demands a client's certificate of this authority.
    boost::asio::ssl::context demanding_context(const certificate_request& request = {}) const {
        boost::asio::ssl::context context = server_context(request);
        context.add_certificate_authority(boost::asio::buffer(ca_pem()));
        context.set_verify_mode(boost::asio::ssl::verify_peer | boost::asio::ssl::verify_fail_if_no_peer_cert);
        return context;
    }

    /// A certificate for a client.
    pem_pair issue_client(const std::string& name = "prooftrackd") const {
        certificate_request request;
        request.names = {};
        request.common_name = name;
        request.usage = "clientAuth";
        return issue(request);
    }

  private:
    static void require(bool done) {
        if (!done) throw std::runtime_error("OpenSSL could not make a test certificate");
    }

    static key_ptr new_key() {
        key_ptr key(EVP_EC_gen("P-256"));
        require(key != nullptr);
        return key;
    }

    static void fill(X509* certificate, const std::string& name, EVP_PKEY* key, long from, long until) {
        static long serial = 1;
        X509_set_version(certificate, 2);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
        X509_gmtime_adj(X509_getm_notBefore(certificate), from);
        X509_gmtime_adj(X509_getm_notAfter(certificate), until);
        X509_set_pubkey(certificate, key);
        require(
            X509_NAME_add_entry_by_txt(
                X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0) == 1);
    }

    static void extend(X509* certificate, int kind, const std::string& value) {
        X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value.c_str());
        require(extension != nullptr);
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }

    void sign(X509* certificate) const { require(X509_sign(certificate, key_.get(), EVP_sha256()) > 0); }

    template <class Write>
    static std::string through_memory(Write write) {
        const std::unique_ptr<BIO, decltype(&BIO_free)> memory(BIO_new(BIO_s_mem()), &BIO_free);
        require(write(memory.get()) == 1);
        char* bytes = nullptr;
        const long length = BIO_get_mem_data(memory.get(), &bytes);
        return {bytes, static_cast<std::size_t>(length)};
    }
    static std::string to_pem(X509* certificate) {
        return through_memory([certificate](BIO* out) { return PEM_write_bio_X509(out, certificate); });
    }
    static std::string to_pem(EVP_PKEY* key) {
        return through_memory(
            [key](BIO* out) { return PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr); });
    }

    key_ptr key_;
    certificate_ptr certificate_;
};

/// A directory of its own, removed with it.
class temporary_directory {
  public:
    temporary_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "prooftrack-test-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        path_ = pattern;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    std::string file(const std::string& name) const { return (path_ / name).string(); }

    /// Writes `bytes` into the file `name` and returns its path.
    std::string write(const std::string& name, const std::string& bytes) const {
        std::ofstream(file(name), std::ios::binary) << bytes;
        return file(name);
    }

  private:
    std::filesystem::path path_;
};

} // namespace prooftrack::testing_support
