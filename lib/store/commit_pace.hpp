#pragma once

// When the next commit begins: at once, or a moment later with more in it.

#include <cstddef>

#include "base/time.hpp"

namespace prooftrack::store {

/// What is queued for the next commit.
struct queued_work {
    std::size_t weight = 0;    ///< about how many rows
    std::size_t impatient = 0; ///< operations that a caller waits for

    void add(std::size_t more, bool is_patient) {
        weight += more;
        impatient += is_patient ? 0 : 1;
    }
    void remove(std::size_t less, bool is_patient) {
        weight -= less;
        impatient -= is_patient ? 0 : 1;
    }
};

/// A commit costs a sync and the same hot pages again, however little is in it. So under load the changes that no
/// caller waits for come at most every `spacing`; a change after a quiet moment is committed at once.
class commit_pace {
  public:
    static constexpr steady_duration spacing = milliseconds(5);

    explicit commit_pace(std::size_t full_batch) : full_batch_(full_batch) {}

    bool is_ready(const queued_work& queued) const { return queued.impatient > 0 || queued.weight >= full_batch_; }
    /// When a commit of work that is not `is_ready` begins; may be past.
    steady_time due() const { return last_begun_ + spacing; }
    void on_begin(steady_time now) { last_begun_ = now; }

  private:
    std::size_t full_batch_;
    steady_time last_begun_{};
};

} // namespace prooftrack::store
