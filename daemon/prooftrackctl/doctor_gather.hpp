#pragma once

// Finds out what `doctor` judges by. Every look has a deadline; nothing is changed, but that a receiver gets a test
// event with --test.

#include "prooftrackctl/commands.hpp"
#include "prooftrackctl/doctor_facts.hpp"

namespace prooftrack::ctl {

doctor_facts gather_facts(command_context& context, const doctor_command& what);

} // namespace prooftrack::ctl
