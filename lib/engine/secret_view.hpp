#pragma once

// Which secrets are in use: fingerprints that distinguish them without showing them.

#include <string>
#include <vector>

#include "base/secret.hpp"

namespace prooftrack::engine {

/// A secret under the name of its systemd credential (`client_token`, `callback.NAME.secret`).
struct secret_view {
    std::string name;
    std::vector<std::string> fingerprints; ///< one for each key, the newest first
};

/// The first 12 hexadecimal digits of the SHA-256 of the text: enough to tell a new secret from an old one, and of no
/// use to find one that is random.
std::string fingerprint_of(const secret& text);

/// `one two three`.
std::string join_fingerprints(const std::vector<std::string>& fingerprints);

} // namespace prooftrack::engine
