#pragma once

// Whether a callback is failing, and how fast it may be fed. Pure.

#include <array>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace prooftrack::track {

inline constexpr std::size_t failures_until_failing = 5;     ///< failed attempts in a row …
inline constexpr std::size_t transactions_until_failing = 3; ///< … over at least so many transactions
inline constexpr seconds failing_probe_interval{30};         ///< start to start, while failing

/// The health of one callback. Failing: one attempt at a time, at most every 30 s. The first success ends it; then the
/// number of attempts in flight doubles from 1 with each success (and halves with each failure) until it is the
/// callback's own limit again.
class delivery_health {
  public:
    enum class change : std::uint8_t { none, turned_failing, recovered };

    /// It was failing when the daemon stopped: it still counts as failing, and the first try comes after a whole
    /// interval.
    void resume_failing(wall_time since, steady_time now);

    change on_success();
    /// `transaction` distinguishes transactions.
    change on_failure(std::uint64_t transaction, instant now);
    /// An attempt begins.
    void on_start(steady_time now);

    /// Feeds slowly from now on (after a jump of the clock made everything due at once).
    void restrain();
    /// A user asked for it: a failing callback is tried at its next chance, without the rest of the interval.
    void try_now(steady_time now);

    bool failing() const { return failing_since_.has_value(); }
    /// The first failed attempt of the row that made it failing: nothing has succeeded since.
    std::optional<wall_time> failing_since() const { return failing_since_; }

    /// Most attempts in flight now, for a callback whose own limit is `most`.
    std::size_t limit(std::size_t most) const;
    /// While failing: no attempt before this.
    std::optional<steady_time> next_try() const;

  private:
    void forget_row();

    std::optional<wall_time> failing_since_;
    steady_time next_try_{};
    std::size_t failures_ = 0; ///< in a row, capped
    wall_time row_since_{};    ///< the first of them
    std::array<std::uint64_t, transactions_until_failing> transactions_{};
    std::size_t transactions_seen_ = 0;
    std::size_t ramp_ = 0; ///< 0 = not ramping
};

} // namespace prooftrack::track
