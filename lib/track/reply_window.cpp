#include "track/reply_window.hpp"

#include <algorithm>
#include <array>

namespace prooftrack::track {

void reply_window::add(std::uint32_t slot, bool is_id_error, steady_time now) {
    replies_.push_back(reply{now, slot, is_id_error});
}

bool reply_window::is_burst(steady_time now) const {
    std::array<std::uint32_t, length> refused{};
    std::size_t replies = 0;
    std::size_t refusals = 0;
    for (const reply& each : replies_) {
        if (each.at + memory < now) continue;
        ++replies;
        if (each.is_id_error) refused[refusals++] = each.slot;
    }
    if (refusals <= most_transactions || refusals * 2 < replies) return false;
    const auto end = refused.begin() + static_cast<std::ptrdiff_t>(refusals);
    std::sort(refused.begin(), end);
    return static_cast<std::size_t>(std::unique(refused.begin(), end) - refused.begin()) > most_transactions;
}

} // namespace prooftrack::track
