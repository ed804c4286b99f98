#pragma once

// How long a batch of pruning may work, from what the last ones cost.

#include <algorithm>

#include "base/time.hpp"

namespace prooftrack::store {

/// What a batch costs others is its work and the sync of the pages that it touched, and only the former is known while
/// it works. So the budget follows the whole: far below the 50 ms for which a commit may be blocked.
class prune_pace {
  public:
    static constexpr steady_duration longest = milliseconds(15);
    static constexpr steady_duration shortest = milliseconds(1);
    static constexpr steady_duration wanted_commit = milliseconds(20);

    /// The time for the work of the next batch.
    steady_duration budget() const { return budget_; }

    /// A batch was begun; the next commit shows what it cost.
    void on_batch() { is_awaited_ = true; }

    /// A commit took this long, from its first statement to its sync.
    void on_commit(steady_duration took) {
        if (!is_awaited_) return;
        is_awaited_ = false;
        if (took > wanted_commit) {
            budget_ = std::max(shortest, budget_ / 2);
        } else if (took < wanted_commit / 2) {
            budget_ = std::min(longest, budget_ + budget_ / 4);
        }
    }

  private:
    steady_duration budget_ = milliseconds(4);
    bool is_awaited_ = false;
};

} // namespace prooftrack::store
