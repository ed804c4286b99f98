#include "engine/digests.hpp"

#include <fmt/format.h>
#include <openssl/sha.h>

namespace prooftrack::engine {

store::digest sha256(std::string_view bytes) {
    store::digest hash{};
    SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
    return hash;
}

store::digest options_digest(const api::tracking_options& options, milliseconds overdue_after) {
    // Lengths in front keep the parts apart.
    const std::string url =
        options.callback_url ? fmt::format("u{}:{}", options.callback_url->size(), *options.callback_url) : "n";
    return sha256(fmt::format(
        "v1 {} {} {}:{}", overdue_after.count(), url, options.metadata_canonical.size(), options.metadata_canonical));
}

} // namespace prooftrack::engine
