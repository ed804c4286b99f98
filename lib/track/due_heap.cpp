#include "track/due_heap.hpp"

#include <algorithm>

namespace prooftrack::track {
namespace {

constexpr std::size_t arity = 4;

} // namespace

std::optional<std::int64_t> due_heap::when(std::uint32_t slot) const {
    if (!contains(slot)) return std::nullopt;
    return entries_[positions_[slot]].when;
}

void due_heap::place(std::size_t at, entry moved) {
    entries_[at] = moved;
    positions_[moved.slot] = static_cast<std::uint32_t>(at);
}

void due_heap::sift_up(std::size_t at, entry moved) {
    while (at > 0) {
        const std::size_t parent = (at - 1) / arity;
        if (!earlier(moved, entries_[parent])) break;
        place(at, entries_[parent]);
        at = parent;
    }
    place(at, moved);
}

void due_heap::sift_down(std::size_t at, entry moved) {
    for (;;) {
        const std::size_t first = at * arity + 1;
        if (first >= entries_.size()) break;
        const std::size_t last = std::min(first + arity, entries_.size());
        std::size_t least = first;
        for (std::size_t child = first + 1; child < last; ++child) {
            if (earlier(entries_[child], entries_[least])) least = child;
        }
        if (!earlier(entries_[least], moved)) break;
        place(at, entries_[least]);
        at = least;
    }
    place(at, moved);
}

void due_heap::set(std::uint32_t slot, std::int64_t when) {
    if (slot >= positions_.size()) positions_.resize(std::max<std::size_t>(slot + 1U, positions_.size() * 2), absent);
    const entry moved{when, slot};
    if (positions_[slot] == absent) {
        entries_.push_back(moved);
        sift_up(entries_.size() - 1, moved);
        return;
    }
    const std::size_t at = positions_[slot];
    if (earlier(moved, entries_[at])) {
        sift_up(at, moved);
    } else {
        sift_down(at, moved);
    }
}

void due_heap::erase(std::uint32_t slot) {
    if (!contains(slot)) return;
    const std::size_t at = positions_[slot];
    positions_[slot] = absent;
    const entry last = entries_.back();
    entries_.pop_back();
    if (at == entries_.size()) return; // it was the last one
    if (at > 0 && earlier(last, entries_[(at - 1) / arity])) {
        sift_up(at, last);
    } else {
        sift_down(at, last);
    }
}

} // namespace prooftrack::track
