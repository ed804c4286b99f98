#include "net/trust_roots.hpp"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <openssl/x509.h>
#include <sys/stat.h>

namespace prooftrack::net {
namespace {

const char* overridden(const char* variable, const char* otherwise) {
    const char* value = std::getenv(variable); // NOLINT(concurrency-mt-unsafe): nobody writes the environment
    return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string state_of(const char* path) {
    struct stat info {};
    if (::stat(path, &info) != 0) return "-";
    return fmt::format(
        "{} {} {} {} {}.{}", path, info.st_dev, info.st_ino, info.st_size, info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
}

} // namespace

trust_roots::trust_roots()
    : system_state_(
          state_of(overridden(X509_get_default_cert_file_env(), X509_get_default_cert_file())) + "\n" +
          state_of(overridden(X509_get_default_cert_dir_env(), X509_get_default_cert_dir()))) {}

trust_roots::trust_roots(std::string pem, std::string file) : pem_(std::move(pem)), file_(std::move(file)) {}

} // namespace prooftrack::net
