#pragma once

// The merchant's list against what is known here: who is compared with what, what is counted, what is reported.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "prooftrackctl/difference_spool.hpp"
#include "prooftrackctl/merchant_table.hpp"
#include "prooftrackctl/reconcile_source.hpp"
#include "track/reconciliation.hpp"

namespace prooftrack::ctl {

/// Which of the transactions here the list should have: those tracked in this time. What the list has is compared in
/// any case. Times as the API writes them; "" = no limit.
struct reconcile_period {
    std::string since; ///< inclusive
    std::string until; ///< exclusive
    bool contains(std::string_view tracked_at) const;
};

/// Transactions of one day of tracking.
struct reconciled_day {
    std::uint64_t agreed = 0;
    std::uint64_t differing = 0;
};

struct reconcile_summary {
    std::uint64_t given = 0;      ///< ids in the list
    std::uint64_t here = 0;       ///< transactions looked at: in the list, or in the period
    std::uint64_t agreed = 0;     ///< ids in the list with no difference
    std::uint64_t unreadable = 0; ///< lines
    std::array<std::uint64_t, track::difference_count> differences{};
    std::uint64_t with_status = 0; ///< lines that say anything about it
    std::uint64_t with_amount = 0;
    std::uint64_t with_credited = 0;
    track::reconcile_totals totals;
    std::map<std::string, reconciled_day> days; ///< by the UTC date of tracked_at, `2026-04-01`; at most `max_days`

    static constexpr std::size_t max_days = 4'000;
    std::uint64_t differing() const;
    /// Nothing differs, and every line could be read.
    bool is_clean() const { return differing() == 0 && unreadable == 0; }
};

/// Takes the whole list first, then looks at what is known here once. Memory: the list (merchant_table) alone.
class reconciliation {
  public:
    /// `found` must outlive it; it gets a line of JSON for each difference and each unreadable line.
    reconciliation(difference_spool& found, reconcile_period period, std::size_t max_lines);

    /// Throws command_failure when the list has more than `max_lines` ids.
    void take(const merchant_line& line);
    /// Of the `ids` that the line may be about none is reported as missing in the list. Throws command_failure when
    /// there are more than `max_lines` of them.
    void take_unreadable(std::uint64_t line, std::string_view why, const std::vector<std::string_view>& ids = {});

    /// Once, after the list. `progress` gets the number of transactions seen so far.
    void run(reconcile_source& source, const std::function<void(std::uint64_t)>& progress);

    const reconcile_summary& summary() const { return summary_; }

  private:
    void look_at(reconcile_source& source, const known_transaction& known);
    void judge(reconcile_source& source, std::size_t at, const known_transaction& known);
    void report_unknown(std::size_t at);
    void report(track::difference kind, const kept_line* given, const known_transaction* known);
    void count_day(const known_transaction& known, bool differs);

    difference_spool& found_;
    reconcile_period period_;
    merchant_table table_;
    merchant_table unreadable_; ///< ids named in lines that cannot be read
    reconcile_summary summary_;
};

/// A difference as a line of JSON; `given` and `known` may be null. Pure.
std::string render_difference(track::difference kind, const kept_line* given, const known_transaction* known);

/// `{"summary": …}` on one line. Pure.
std::string render_summary(const reconcile_summary& summary, const reconcile_period& period);

} // namespace prooftrack::ctl
