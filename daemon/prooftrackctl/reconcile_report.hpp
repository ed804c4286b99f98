#pragma once

// A reconciliation as one page of HTML, to be printed and filed: no script, nothing loaded from elsewhere. Pure.

#include <functional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "prooftrackctl/difference_spool.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::ctl {

/// What the page says about itself.
struct report_facts {
    std::string list_name;
    std::string list_sha256; ///< of the bytes of the list
    wall_time made{};
    track::reconcile_period period;
    /// Most rows of differences and unreadable lines together; the page says how many more there are.
    std::uint64_t max_rows = default_max_rows;
    static constexpr std::uint64_t default_max_rows = 100'000;
};

/// Text as HTML shows it, in an element or in a quoted attribute. What a terminal would not get is escaped as well.
std::string html_text(std::string_view text);

/// Hands the page to `write` piece by piece.
void write_report(
    const std::function<void(std::string_view)>& write, difference_spool& found,
    const track::reconcile_summary& summary, const report_facts& facts);

} // namespace prooftrack::ctl
