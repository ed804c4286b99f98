#pragma once

// Distinguishes an outage of Proof from single ids that Proof, or a firewall before it, always refuses or fails.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/time.hpp"

namespace prooftrack::track {

/// What the last reply about a transaction, or its absence, was.
enum class standing : std::uint8_t {
    untried,  ///< none yet, or failures during an outage alone
    answered, ///< an answer: Proof takes the token and this server
    failing,  ///< a refusal (401, 403), an error, silence
};

/// Transactions that do not fail, and can disprove an outage.
struct candidates {
    std::size_t answered = 0; ///< these two in their cadence: they are polled soon
    std::size_t untried = 0;
    std::size_t others = 0; ///< polled more rarely: one of them is polled early when no other is left
};

/// A run of failures lasts from a failure until a transaction is answered whose poll started later than the first
/// failed one. Each transaction is evidence once: when it fails for the first time since it was answered. One that went
/// on failing while others were answered says nothing about them, so a client cannot cause an outage by adding ids.
///
/// A run is an outage when no candidate is left. If only transactions that are polled more rarely are left, one more
/// failure is enough, of one that was answered before. Where they are not all polled in time (many transactions, a low
/// `max_rate`), enough of those that were answered before must have failed; ids that were never answered count only
/// while there are no others.
class outage_watch {
  public:
    static constexpr unsigned run_bits = 27; ///< so that a row keeps it beside its flags
    /// Numbers the run under way, or the next one. Never 0; at most `run_bits`.
    std::uint32_t run() const { return run_; }
    bool is_open() const { return failures_ > 0; }

    /// A transaction is answered; ends the run if that disproves it. True if it did.
    bool on_answered(steady_time started);
    /// Ends the run: what has failed in it stays failing.
    void close();
    /// `before` is the failing transaction's standing until now; it is not one that failed in an earlier run.
    /// `is_in_cadence`: it is in `tracking`.
    void on_failed(standing before, bool is_in_cadence, bool is_denial, steady_time started, steady_time now);

    /// Whether the failures concern all polls: an outage, or a denial of the account.
    bool concerns_all(const candidates& left, std::pair<milliseconds, milliseconds> interval, steady_time now) const;
    /// When the passing of time alone can change `concerns_all`.
    std::optional<steady_time> next_look(std::pair<milliseconds, milliseconds> interval, steady_time now) const;

  private:
    std::uint32_t run_ = 1;
    steady_time first_at_{};
    steady_time first_started_{};
    std::size_t failures_ = 0;        ///< repeated ones too
    std::size_t failed_answered_ = 0; ///< transactions that were answered before
    std::size_t failed_untried_ = 0;
    bool has_failed_beside_ = false; ///< one out of the cadence, after the first failure
    bool is_denial_ = false;         ///< the last one
};

} // namespace prooftrack::track
