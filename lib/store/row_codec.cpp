#include "store/row_codec.hpp"

#include <algorithm>

#include <openssl/evp.h>

#include "store/sqlite_error.hpp"

namespace prooftrack::store {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

/// 0 to 15, or -1. Upper case is another id, so it is not packed.
int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

constexpr bool is_dash_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

std::optional<std::array<std::uint8_t, 16>> pack_uuid(std::string_view id) {
    if (id.size() != 36) return std::nullopt;
    std::array<std::uint8_t, 16> bytes{};
    std::size_t at = 0;
    for (std::size_t i = 0; i < id.size();) {
        if (is_dash_place(i)) {
            if (id[i] != '-') return std::nullopt;
            ++i;
            continue;
        }
        const int high = hex_value(id[i]);
        const int low = hex_value(id[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        bytes[at++] = static_cast<std::uint8_t>(high * 16 + low);
        i += 2;
    }
    return bytes;
}

[[noreturn]] void throw_damaged(const char* what) { throw sqlite_error(SQLITE_CORRUPT, what); }

} // namespace

packed_id::packed_id(std::string_view id) : text_(id) {
    if (const auto packed = pack_uuid(id)) {
        uuid_ = *packed;
        is_uuid_ = true;
    }
}

bool is_plain_ascii(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

std::string unpack_uuid(std::string_view bytes) {
    std::string text;
    text.reserve(36);
    for (const char byte : bytes) {
        if (is_dash_place(text.size())) text += '-';
        const auto value = static_cast<unsigned char>(byte);
        text += digits[value >> 4U];
        text += digits[value & 15U];
    }
    return text;
}

transaction_id read_id(const query& row, int column) {
    const std::string_view stored = row.text(column);
    const bool is_uuid = row.is_blob(column);
    if (is_uuid && stored.size() != 16) throw_damaged("a packed id has the wrong length");
    auto id = is_uuid ? transaction_id::parse(unpack_uuid(stored)) : transaction_id::parse(stored);
    if (!id) throw_damaged("an id in the database is not an id");
    return *std::move(id);
}

track::tracking_facts read_facts(const query& row, int first) {
    track::tracking_facts facts;
    facts.state = read_tracking_state(row, first);
    facts.watched = row.flag(first + 1);
    facts.status = row.text(first + 2);
    facts.tracked_at = row.time(first + 3);
    facts.overdue_at = row.time(first + 4);
    facts.settled_at = row.optional_time(first + 5);
    facts.not_found_since = row.optional_time(first + 6);
    facts.recheck_until = row.optional_time(first + 7);
    facts.last_polled_at = row.optional_time(first + 8);
    facts.polls = row.count(first + 9);
    facts.bad_requests = static_cast<std::uint8_t>(row.integer(first + 10));
    facts.verifications_done = static_cast<std::uint8_t>(row.integer(first + 11));
    facts.was_overdue = row.flag(first + 12);
    return facts;
}

track::tracking_state read_tracking_state(const query& row, int column) {
    const std::int64_t number = row.integer(column);
    if (number < 0 || number >= static_cast<std::int64_t>(track::tracking_state_count))
        throw_damaged("a state in the database is unknown");
    return static_cast<track::tracking_state>(number);
}

row_revision read_revision(const query& row, int column) {
    return row_revision{static_cast<std::uint32_t>(static_cast<std::uint64_t>(row.integer(column)))};
}

track::delivery_state read_delivery_state(const query& row, int column) {
    const std::int64_t number = row.integer(column);
    if (number < 0 || number > 3) throw_damaged("a delivery's state in the database is unknown");
    return static_cast<track::delivery_state>(number);
}

std::array<std::uint8_t, 32> sha256_of(std::string_view bytes) {
    std::array<std::uint8_t, 32> digest{};
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("SHA-256 failed");
    }
    return digest;
}

std::string to_hex(std::string_view bytes) {
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const char byte : bytes) {
        const auto value = static_cast<unsigned char>(byte);
        text += digits[value >> 4U];
        text += digits[value & 15U];
    }
    return text;
}

} // namespace prooftrack::store
