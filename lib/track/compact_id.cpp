#include "track/compact_id.hpp"

#include <cstring>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack::track {
namespace {

constexpr std::size_t uuid_length = 36;
constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr bool is_dash_place(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

std::string_view as_text(const uuid_bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

} // namespace

std::optional<uuid_bytes> pack_uuid(std::string_view text) {
    if (text.size() != uuid_length) return std::nullopt;
    uuid_bytes bytes{};
    std::size_t nibble = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (is_dash_place(i)) {
            if (c != '-') return std::nullopt;
            continue;
        }
        unsigned value = 0;
        if (c >= '0' && c <= '9') {
            value = static_cast<unsigned>(c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = static_cast<unsigned>(c - 'a') + 10U;
        } else {
            return std::nullopt; // upper case included: it would not come back byte for byte
        }
        const unsigned shifted = nibble % 2 == 0 ? value << 4U : value;
        bytes[nibble / 2] = static_cast<unsigned char>(bytes[nibble / 2] | shifted);
        ++nibble;
    }
    return bytes;
}

std::string unpack_uuid(const uuid_bytes& bytes) {
    std::string text;
    text.reserve(uuid_length);
    for (const unsigned char byte : bytes) {
        if (is_dash_place(text.size())) text += '-';
        text += hex_digits[byte >> 4U];
        text += hex_digits[byte & 15U];
    }
    return text;
}

compact_id::compact_id(std::string_view text) {
    expects(!text.empty() && text.size() <= UINT16_MAX, "compact_id: an id that is empty or too long");
    if (const auto packed = pack_uuid(text)) {
        bytes_ = *packed;
        kind_ = kind::uuid;
        return;
    }
    char* copy =
        new char[text.size()]; // NOLINT(cppcoreguidelines-owning-memory): 17 bytes leave no room for a smart pointer
    std::memcpy(copy, text.data(), text.size());
    const auto length = static_cast<std::uint16_t>(text.size());
    std::memcpy(bytes_.data(), &copy, sizeof copy);
    std::memcpy(bytes_.data() + 8, &length, sizeof length);
    kind_ = kind::heap;
}

compact_id::compact_id(compact_id&& other) noexcept
    : bytes_(other.bytes_), kind_(std::exchange(other.kind_, kind::empty)) {}

compact_id& compact_id::operator=(compact_id&& other) noexcept {
    if (this != &other) {
        reset();
        bytes_ = other.bytes_;
        kind_ = std::exchange(other.kind_, kind::empty);
    }
    return *this;
}

void compact_id::reset() noexcept {
    if (kind_ == kind::heap) delete[] heap_text();
    kind_ = kind::empty;
}

const char* compact_id::heap_text() const {
    const char* text = nullptr;
    std::memcpy(&text, bytes_.data(), sizeof text);
    return text;
}

std::string_view compact_id::heap_view() const {
    std::uint16_t length = 0;
    std::memcpy(&length, bytes_.data() + 8, sizeof length);
    return {heap_text(), length};
}

std::string compact_id::str() const {
    if (kind_ == kind::heap) return std::string(heap_view());
    return kind_ == kind::empty ? std::string() : unpack_uuid(bytes_);
}

bool compact_id::equals(std::string_view text) const {
    if (kind_ == kind::heap) return text == heap_view();
    const auto packed = pack_uuid(text);
    return kind_ == kind::uuid && packed && *packed == bytes_;
}

std::uint64_t compact_id::hash(const hash_key& key) const {
    if (kind_ == kind::uuid) return keyed_hash(key, as_text(bytes_));
    return kind_ == kind::heap ? keyed_hash(key, heap_view()) : keyed_hash(key, {});
}

std::uint64_t compact_id::hash_of(const hash_key& key, std::string_view text) {
    const auto packed = pack_uuid(text);
    return keyed_hash(key, packed ? as_text(*packed) : text);
}

} // namespace prooftrack::track
