#include "track/space_watch.hpp"

#include <algorithm>

namespace prooftrack::track {

std::uint64_t space_watch::limit(std::uint64_t capacity) {
    constexpr std::uint64_t most = std::uint64_t{1} << 30U;
    constexpr std::uint64_t parts = 20;
    return std::min(most, capacity / parts);
}

space_watch::change space_watch::look(std::uint64_t free, std::uint64_t capacity) {
    if (capacity == 0) return change::none;
    const std::uint64_t low = limit(capacity);
    if (!is_nearly_full_ && free < low) {
        is_nearly_full_ = true;
        return change::nearly_full;
    }
    if (is_nearly_full_ && free >= low + low / 4) {
        is_nearly_full_ = false;
        return change::has_space;
    }
    return change::none;
}

} // namespace prooftrack::track
