#pragma once

// The transactions of a reconciliation by day, as inline SVG. Pure.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "track/reconcile_run.hpp"

namespace prooftrack::ctl {

/// One bar: the transactions of one day, or of a few days in a row when there are many.
struct picture_bar {
    std::string first_day; ///< `2026-04-01`
    std::string last_day;
    std::uint64_t agreed = 0;
    std::uint64_t differing = 0;
};

inline constexpr std::size_t max_picture_bars = 62;

/// Bars of equal spans without a gap from the first to the last day, at most `max_picture_bars`. What is no date is
/// left out.
std::vector<picture_bar> bars_of(const std::map<std::string, track::reconciled_day>& days);

/// A `<svg>` with a bar for each of them; "" without any.
std::string draw_bars(const std::vector<picture_bar>& bars);

} // namespace prooftrack::ctl
