#pragma once

// The order of wake-ups: a 4-ary heap of (time, slot) with a position for each slot, so that a due time can be moved or
// taken away.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/expects.hpp"

namespace prooftrack::track {

/// Holds each slot at most once. Equal times come out in the order of their slots, so that runs repeat exactly.
/// O(log n) for all changes; 20 bytes an entry.
class due_heap {
  public:
    struct entry {
        std::int64_t when = 0;
        std::uint32_t slot = 0;
    };

    bool empty() const { return entries_.empty(); }
    std::size_t size() const { return entries_.size(); }
    bool contains(std::uint32_t slot) const { return slot < positions_.size() && positions_[slot] != absent; }
    /// The earliest. Requires !empty().
    const entry& top() const {
        expects(!entries_.empty(), "due_heap: nothing waits");
        return entries_.front();
    }
    /// The slot's time; nullopt when it is not in here.
    std::optional<std::int64_t> when(std::uint32_t slot) const;

    /// Puts the slot in, or moves it.
    void set(std::uint32_t slot, std::int64_t when);
    /// Takes the slot out if it is in here.
    void erase(std::uint32_t slot);
    void pop() { erase(top().slot); }

    const std::vector<entry>& entries() const { return entries_; }

  private:
    static constexpr std::uint32_t absent = UINT32_MAX;
    static bool earlier(const entry& a, const entry& b) { return a.when != b.when ? a.when < b.when : a.slot < b.slot; }
    void place(std::size_t at, entry moved);
    void sift_up(std::size_t at, entry moved);
    void sift_down(std::size_t at, entry moved);

    std::vector<entry> entries_;
    std::vector<std::uint32_t> positions_;
};

} // namespace prooftrack::track
