#include "callback/signing.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "callback/error.hpp"

namespace prooftrack::callback {
namespace {

constexpr std::string_view secret_prefix = "whsec_";
constexpr std::string_view signature_prefix = "v1,";
constexpr std::size_t new_secret_bytes = 32;

using mac_bytes = std::array<unsigned char, 32>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string encode_base64(const unsigned char* bytes, std::size_t size) {
    std::string text((size + 2) / 3 * 4 + 1, '\0'); // EVP_EncodeBlock ends with a NUL
    const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes, static_cast<int>(size));
    text.resize(static_cast<std::size_t>(length));
    return text;
}

bool is_base64_character(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
}

/// Strict: the standard alphabet, right padding or none, nothing else (OpenSSL alone would skip white space).
std::optional<std::string> decode_base64(std::string_view text) {
    std::string_view digits = text;
    while (digits.ends_with('=')) digits.remove_suffix(1);
    const std::size_t padding = text.size() - digits.size();
    const std::size_t missing = (4 - digits.size() % 4) % 4;
    if (missing == 3 || (padding != 0 && padding != missing)) return std::nullopt;
    if (!std::all_of(digits.begin(), digits.end(), is_base64_character)) return std::nullopt;
    const std::string padded = std::string(digits) + std::string(missing, '=');
    std::string bytes(padded.size() / 4 * 3, '\0');
    const int length = EVP_DecodeBlock(
        reinterpret_cast<unsigned char*>(bytes.data()), bytes_of(padded), static_cast<int>(padded.size()));
    if (length < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(length) - missing);
    return bytes;
}

mac_bytes compute_mac(const secret& key, std::string_view signed_bytes) {
    mac_bytes mac{};
    unsigned int length = mac.size();
    const std::string_view bytes = key.reveal();
    const auto* done = HMAC(
        EVP_sha256(), bytes.data(), static_cast<int>(bytes.size()), bytes_of(signed_bytes), signed_bytes.size(),
        mac.data(), &length);
    if (done == nullptr || length != mac.size()) throw std::runtime_error("OpenSSL could not compute an HMAC");
    return mac;
}

std::string signed_bytes(std::string_view id, std::int64_t timestamp, std::string_view body) {
    return fmt::format("{}.{}.{}", id, timestamp, body);
}

/// Cuts the next piece in front of `separator` off `text`.
std::string_view take_piece(std::string_view& text, char separator) {
    const auto end = std::min(text.find(separator), text.size());
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return piece;
}

} // namespace

result<secret> parse_webhook_secret(std::string_view text) {
    if (!text.starts_with(secret_prefix)) return make_error_code(callback_error::secret_prefix);
    std::optional<std::string> key = decode_base64(text.substr(secret_prefix.size()));
    if (!key) return make_error_code(callback_error::secret_base64);
    if (key->size() < min_secret_bytes) return make_error_code(callback_error::secret_too_short);
    if (key->size() > max_secret_bytes) return make_error_code(callback_error::secret_too_long);
    return secret(std::move(*key));
}

secret make_webhook_secret() {
    std::array<unsigned char, new_secret_bytes> key{};
    if (RAND_bytes(key.data(), static_cast<int>(key.size())) != 1)
        throw std::runtime_error("OpenSSL has no random numbers");
    secret text(std::string(secret_prefix) + encode_base64(key.data(), key.size()));
    OPENSSL_cleanse(key.data(), key.size());
    return text;
}

std::string sign_webhook(
    std::span<const secret> keys, std::string_view id, std::int64_t timestamp, std::string_view body) {
    std::string signatures;
    if (keys.empty()) return signatures;
    const std::string message = signed_bytes(id, timestamp, body);
    for (const secret& key : keys) {
        const mac_bytes mac = compute_mac(key, message);
        if (!signatures.empty()) signatures += ' ';
        signatures += signature_prefix;
        signatures += encode_base64(mac.data(), mac.size());
    }
    return signatures;
}

bool verify_webhook(
    std::span<const secret> keys, std::string_view id, std::int64_t timestamp, std::string_view body,
    std::string_view signatures) {
    const std::string message = signed_bytes(id, timestamp, body);
    std::vector<std::string> expected;
    for (const secret& key : keys) {
        const mac_bytes mac = compute_mac(key, message);
        expected.push_back(encode_base64(mac.data(), mac.size()));
    }
    bool is_ours = false;
    while (!signatures.empty()) {
        std::string_view offered = take_piece(signatures, ' ');
        if (!offered.starts_with(signature_prefix)) continue;
        offered.remove_prefix(signature_prefix.size());
        for (const std::string& mac : expected) {
            if (offered.size() != mac.size()) continue;
            const bool equal = CRYPTO_memcmp(offered.data(), mac.data(), mac.size()) == 0;
            is_ours = is_ours || equal;
        }
    }
    return is_ours;
}

bool is_fresh_webhook(std::int64_t timestamp, wall_time now) {
    const std::int64_t here = std::chrono::floor<seconds>(now).time_since_epoch().count();
    // No difference is taken: the timestamp is anybody's number.
    return timestamp >= here - webhook_tolerance.count() && timestamp <= here + webhook_tolerance.count();
}

} // namespace prooftrack::callback
