#pragma once

// A reconciliation as people see it on a terminal.

#include <functional>
#include <string>
#include <vector>

#include "prooftrackctl/difference_spool.hpp"
#include "prooftrackctl/output.hpp"
#include "track/reconcile_run.hpp"

namespace prooftrack::ctl {

/// A difference in words. Text from outside is not escaped yet.
struct shown_difference {
    std::string line; ///< "" = not in the list
    std::string id;
    std::string given; ///< `completed 100.00 EUR credited`; "" = nothing is said
    std::string here;  ///< `settled completed 100.00 EUR`; "" = not known
    std::string what_to_do;
};

/// Of a line that `render_difference` made. Pure.
shown_difference shown_difference_of(std::string_view json);

/// A class's differences in groups of the same `what_to_do`: `begin` for each group, then `row` for each of it.
void each_group(
    difference_spool& found, track::difference kind, const std::function<void(const std::string& what_to_do)>& begin,
    const std::function<void(const shown_difference&)>& row);

/// What the class is, as a heading. Pure.
std::string_view title_of(track::difference kind);

/// How many agree, differ and cannot be read, as a sentence. Pure.
std::string counts_of(const track::reconcile_summary& summary);

/// What was not compared because no line says anything about it, as sentences; "" = all was. Pure.
std::string not_compared(const track::reconcile_summary& summary);

/// Differences by class, unreadable lines, totals.
void print_reconciliation(output& out, difference_spool& found, const track::reconcile_summary& summary);

} // namespace prooftrack::ctl
