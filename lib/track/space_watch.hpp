#pragma once

// Reports that the disk of the database is nearly full, before it is.

#include <cstdint>

namespace prooftrack::track {

/// Two limits, so that a disk around one of them is reported once and not again and again.
class space_watch {
  public:
    enum class change : std::uint8_t { none, nearly_full, has_space };

    /// Bytes below which a disk is nearly full: 1 GiB, or 5 % of one under 20 GiB.
    static std::uint64_t limit(std::uint64_t capacity);

    /// What has changed since the last look: it fell below the limit, or rose to a quarter above it. The capacity 0
    /// means that nothing could be measured, and changes nothing.
    change look(std::uint64_t free, std::uint64_t capacity);

  private:
    bool is_nearly_full_ = false;
};

} // namespace prooftrack::track
