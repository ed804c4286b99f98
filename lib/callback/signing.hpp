#pragma once

// Signatures of webhooks: Standard Webhooks 1.0.0, symmetric keys. Pure.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"

namespace prooftrack::callback {

/// Bounds of a decoded key, in bytes.
inline constexpr std::size_t min_secret_bytes = 24;
inline constexpr std::size_t max_secret_bytes = 64;

/// How far `webhook-timestamp` may be from the receiver's clock, either way.
inline constexpr seconds webhook_tolerance{300};

/// The key in `whsec_` + base64 (padding may be missing). Errors are callback_error's secret_ values.
result<secret> parse_webhook_secret(std::string_view text);

/// A new secret as it is written into a file: `whsec_` and 32 random bytes in base64. Throws when OpenSSL has no random
/// numbers.
secret make_webhook_secret();

/// The value of `webhook-signature`: `v1,` and base64 of HMAC-SHA256 over `id.timestamp.body`, one for each key, space
/// separated. `timestamp` is in unix seconds. "" without keys.
std::string sign_webhook(
    std::span<const secret> keys, std::string_view id, std::int64_t timestamp, std::string_view body);

/// True when one of the signatures is by one of the keys; compared in constant time. Signatures of other versions are
/// skipped.
bool verify_webhook(
    std::span<const secret> keys, std::string_view id, std::int64_t timestamp, std::string_view body,
    std::string_view signatures);

/// Whether a message may be fresh: its timestamp lies within `webhook_tolerance` of `now`.
bool is_fresh_webhook(std::int64_t timestamp, wall_time now);

} // namespace prooftrack::callback
