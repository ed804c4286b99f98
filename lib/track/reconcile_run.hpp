#pragma once

// The merchant's list against what is known here: who is compared with what, what is counted, what is reported. Pure.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "track/merchant_table.hpp"
#include "track/reconcile_source.hpp"
#include "track/reconciliation.hpp"

namespace prooftrack::track {

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
    std::array<std::uint64_t, difference_count> differences{};
    std::uint64_t with_status = 0; ///< lines that say anything about it
    std::uint64_t with_amount = 0;
    std::uint64_t with_credited = 0;
    reconcile_totals totals;
    std::map<std::string, reconciled_day> days; ///< by the UTC date of tracked_at, `2026-04-01`; at most `max_days`

    static constexpr std::size_t max_days = 4'000;
    std::uint64_t of(difference kind) const { return differences.at(static_cast<std::size_t>(kind)); }
    std::uint64_t differing() const;
    /// Nothing differs, and every line could be read.
    bool is_clean() const { return differing() == 0 && unreadable == 0; }
};

/// One difference, valid while it is handed over.
struct found_difference {
    difference kind = difference::unknown_here;
    std::optional<std::size_t> at;            ///< the place of `given` in the list; nullopt without
    const kept_line* given = nullptr;         ///< null for `here_but_not_given` alone
    const known_transaction* known = nullptr; ///< null for `unknown_here` alone
    bool may_be_hidden = false;               ///< `here_but_not_given` alone: a line that cannot be read may have it
};

/// Gets what a reconciliation finds, in no order that means anything.
class reconcile_findings {
  public:
    reconcile_findings() = default;
    virtual ~reconcile_findings() = default;
    reconcile_findings(const reconcile_findings&) = delete;
    reconcile_findings& operator=(const reconcile_findings&) = delete;

    virtual void on_difference(const found_difference& found) = 0;
    virtual void on_unreadable(std::uint64_t line, std::string_view why) = 0;
};

/// Takes the whole list first, then looks at what is known here once. Memory: the list (merchant_table) alone.
class reconciliation {
  public:
    /// `found` must outlive it. Takes at most `max_lines` ids, and as many that are named in lines that cannot be read.
    reconciliation(reconcile_findings& found, reconcile_period period, std::size_t max_lines);

    /// False: there are more ids than it takes, and this one is not in the list.
    [[nodiscard]] bool take(const merchant_line& line);
    /// Of the ids that the line may be about none is reported as missing in the list. False: there are more of them
    /// than it takes.
    [[nodiscard]] bool take_unreadable(const unreadable_line& line);

    /// Once, after the list. `progress` gets the number of transactions seen so far.
    void run(reconcile_source& source, const std::function<void(std::uint64_t)>& progress);

    const reconcile_summary& summary() const { return summary_; }
    const reconcile_period& period() const { return period_; }
    const merchant_table& list() const { return table_; }
    /// Why a line whose values could be read is one that cannot be: its id stands in an earlier line. "" = it does not.
    std::string repetition(const merchant_line& line) const;
    /// True when a line that cannot be read may have ids that are not known: none is surely missing in the list.
    bool hides_ids() const { return hides_ids_; }
    /// True when `run` counts it as `here_but_not_given`.
    bool is_not_given(const known_transaction& known) const;

  private:
    void look_at(reconcile_source& source, const known_transaction& known);
    void judge(reconcile_source& source, std::size_t at, const known_transaction& known);
    void report_unknown(std::size_t at);
    void report(const found_difference& found);
    void count_day(const known_transaction& known, bool differs);

    reconcile_findings& found_;
    reconcile_period period_;
    merchant_table table_;
    merchant_table unreadable_; ///< ids named in lines that cannot be read
    bool hides_ids_ = false;
    reconcile_summary summary_;
};

/// What to do about a `here_but_not_given` that may be hidden, in place of the advice on it.
inline constexpr std::string_view advice_on_hidden =
    "It may stand in a line that cannot be read: mend those lines and compare again, and credit nothing before.";

/// Each on one line of JSON. Pure.
std::string render_difference(const found_difference& found);
std::string render_unreadable(std::uint64_t line, std::string_view why);
std::string render_summary(const reconcile_summary& summary, const reconcile_period& period); ///< `{"summary": …}`

} // namespace prooftrack::track
