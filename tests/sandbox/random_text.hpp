#pragma once

// Unguessable text for tokens and ids, from OpenSSL's generator.

#include <cstddef>
#include <string>

namespace prooftrack::sandbox {

/// `bytes` random bytes as hex. Throws when there is no randomness.
std::string random_hex(std::size_t bytes);
/// A random UUID (version 4).
std::string make_uuid();

} // namespace prooftrack::sandbox
