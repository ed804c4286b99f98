#include "track/reply_window.hpp"

#include <algorithm>

namespace prooftrack {

void reply_window::add(std::uint32_t slot, bool is_refusal, steady_time now) {
    replies_[next_] = reply{now, slot, is_refusal};
    next_ = (next_ + 1) % length;
    count_ = std::min(count_ + 1, length);
}

bool reply_window::is_burst(steady_time now) const {
    std::array<std::uint32_t, length> refused{};
    std::size_t replies = 0;
    std::size_t refusals = 0;
    for (std::size_t i = 0; i < count_; ++i) {
        if (replies_[i].at + memory < now) continue;
        ++replies;
        if (replies_[i].is_refusal) refused[refusals++] = replies_[i].slot;
    }
    if (refusals <= most_transactions || refusals * 2 < replies) return false;
    const auto end = refused.begin() + static_cast<std::ptrdiff_t>(refusals);
    std::sort(refused.begin(), end);
    return static_cast<std::size_t>(std::unique(refused.begin(), end) - refused.begin()) > most_transactions;
}

} // namespace prooftrack
