#pragma once

// The one random source of the decisions: seeded by the caller, so that a run can be repeated from its seed.

#include <cstdint>

namespace prooftrack {

/// splitmix64. Not for secrets. The same seed gives the same numbers on every platform.
class random_source {
  public:
    explicit random_source(std::uint64_t seed) : state_(seed) {}

    std::uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ULL;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9ULL;
        z = (z ^ (z >> 27U)) * 0x94d049bb133111ebULL;
        return z ^ (z >> 31U);
    }

    /// Uniform in [0, 1).
    double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }

    /// Uniform in [low, high]; `low` when the band is empty or turned round.
    std::int64_t between(std::int64_t low, std::int64_t high) {
        if (high <= low) return low;
        const auto width = static_cast<std::uint64_t>(high - low) + 1;
        return low + static_cast<std::int64_t>(next() % width);
    }

  private:
    std::uint64_t state_;
};

} // namespace prooftrack
