#pragma once

// One frame of `top`. Pure: what is known and the terminal's size in, the bytes that draw it out.

#include <deque>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/table.hpp"
#include "prooftrackctl/terminal.hpp"

namespace prooftrack::ctl {

/// What `top` knows; kept from one look to the next.
struct top_facts {
    std::string status;             ///< the last answer of GET /v1/status, "" = none yet
    std::string trouble;            ///< why the last look failed, "" = it did not
    std::deque<std::string> events; ///< the newest last, as JSON
    std::deque<double> poll_rates;  ///< polls a second at each look, the newest last
    wall_time looked_at{};
};

inline constexpr std::size_t top_events_kept = 200;
inline constexpr std::size_t top_rates_kept = 300;

/// Exactly `size.rows` lines of at most `size.columns` columns, without the line break behind the last.
std::vector<std::string> top_lines(const top_facts& facts, const look& where, terminal_size size, wall_time now);

/// The bytes that draw the lines over the ones before: no clearing in between, so nothing flickers.
std::string top_frame(const std::vector<std::string>& lines);

/// `▁▂▅█` of the newest `width` values, scaled to their largest.
std::string sparkline(const std::deque<double>& values, std::size_t width, const look& where);

} // namespace prooftrack::ctl
