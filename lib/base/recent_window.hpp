#pragma once

// The newest of what is numbered without gaps, such as the events: bounded by number and by bytes.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "base/expects.hpp"

namespace prooftrack {

template <class Item>
class recent_window {
  public:
    /// The newest item stays, however large it is.
    recent_window(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

    /// One that does not follow the newest begins anew: what came before it is dropped.
    void push(std::uint64_t number, Item item, std::size_t bytes) {
        if (!kept_.empty() && number != end()) clear();
        if (kept_.empty()) first_ = number;
        kept_.push_back({std::move(item), bytes});
        bytes_ += bytes;
        while (kept_.size() > most_ || (bytes_ > most_bytes_ && kept_.size() > 1)) drop_oldest();
    }

    /// Drops what has a smaller number.
    void drop_before(std::uint64_t number) {
        while (!kept_.empty() && first_ < number) drop_oldest();
    }

    void clear() {
        kept_.clear();
        bytes_ = 0;
    }

    bool empty() const { return kept_.empty(); }
    /// The oldest one's number. Requires that there is one.
    std::uint64_t begin() const {
        expects(!empty(), "recent_window: an empty one has no oldest");
        return first_;
    }
    std::uint64_t end() const { return first_ + kept_.size(); } ///< the number that would follow

    /// Whether everything from that number on is here, and at least one.
    bool reaches(std::uint64_t number) const { return !empty() && begin() <= number && number < end(); }

    /// Requires `reaches(number)`.
    const Item& at(std::uint64_t number) const {
        expects(reaches(number), "recent_window: a number that is not kept was asked for");
        return kept_[static_cast<std::size_t>(number - first_)].item;
    }

  private:
    struct entry {
        Item item;
        std::size_t bytes = 0;
    };

    void drop_oldest() {
        bytes_ -= kept_.front().bytes;
        kept_.pop_front();
        ++first_;
    }

    std::size_t most_;
    std::size_t most_bytes_;
    std::deque<entry> kept_;
    std::uint64_t first_ = 0;
    std::size_t bytes_ = 0;
};

} // namespace prooftrack
