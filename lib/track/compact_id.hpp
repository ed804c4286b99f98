#pragma once

// An id as the table holds it: a canonical lower-case UUID in 16 bytes, anything else on the heap.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/keyed_hash.hpp"

namespace prooftrack::track {

using uuid_bytes = std::array<unsigned char, 16>;

/// The bytes of a canonical lower-case UUID; nullopt for any other text, which would not come back as it was.
std::optional<uuid_bytes> pack_uuid(std::string_view text);
std::string unpack_uuid(const uuid_bytes& bytes);

/// Owns one id in 17 bytes. Most of Proof's ids are UUIDs, and a million of them should not cost a million allocations.
class compact_id {
  public:
    compact_id() = default;
    /// Requires 1 to 65,535 characters.
    explicit compact_id(std::string_view text);
    compact_id(const compact_id&) = delete;
    compact_id& operator=(const compact_id&) = delete;
    compact_id(compact_id&& other) noexcept;
    compact_id& operator=(compact_id&& other) noexcept;
    ~compact_id() { reset(); }

    std::string str() const;
    bool equals(std::string_view text) const;
    /// Keyed, because users choose ids: with a hash that they can compute, ids of one hash would make each look-up walk
    /// over all of them.
    std::uint64_t hash(const hash_key& key) const;
    static std::uint64_t hash_of(const hash_key& key, std::string_view text);

  private:
    enum class kind : std::uint8_t { empty, uuid, heap };
    void reset() noexcept;
    const char* heap_text() const;
    std::string_view heap_view() const;

    uuid_bytes bytes_{}; ///< the UUID, or a pointer and a 16-bit length
    kind kind_ = kind::empty;
};

} // namespace prooftrack::track
