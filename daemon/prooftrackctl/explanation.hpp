#pragma once

// Why a transaction is where it is. Pure: the API's answers in, sentences out.

#include <string>
#include <vector>

#include "base/time.hpp"
#include "prooftrackctl/json_view.hpp"

namespace prooftrack::ctl {

/// What the API says about one transaction; missing parts are left out of the explanation.
struct explained_facts {
    json_view transaction;
    json_view history; ///< GET …/history
    json_view status;  ///< GET /v1/status
};

struct delivery_note {
    json_view delivery;
    std::string what; ///< "waits behind delivery 12 (completed)"
};

struct explanation {
    std::string why;                       ///< it is in this state
    std::string next;                      ///< when the next poll is, and why then
    std::vector<json_view> changes;        ///< the oldest first
    std::vector<delivery_note> deliveries; ///< in the order of their events
    std::vector<std::string> actions;      ///< what can be done, a command and what it does
};

explanation explain(const explained_facts& facts, wall_time now);

} // namespace prooftrack::ctl
