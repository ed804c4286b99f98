#pragma once

// The findings of `doctor` as people and programs see them. Pure.

#include <string>
#include <vector>

#include "prooftrackctl/doctor_facts.hpp"
#include "prooftrackctl/table.hpp"

namespace prooftrack::ctl {

/// A line each, with what to do below it, and a last line that sums up.
std::string format_findings(const std::vector<finding>& findings, const look& where);

/// One finding as a JSON object on one line, without LF.
std::string format_finding_json(const finding& one);

bool is_all_well(const std::vector<finding>& findings);

} // namespace prooftrack::ctl
