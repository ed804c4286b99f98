#pragma once

// The messages for people when something does not work: what happened, and the next step. Pure.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "prooftrackctl/api_client.hpp"

namespace prooftrack::ctl {

/// A refusal of the daemon (problem+json, or anything else that is not 2xx), on one line or two.
std::string describe_refusal(const api_reply& reply);

/// A connection that could not be made or broke, with what to look at.
std::string describe_unreachable(const op_error& error, std::string_view socket_path);

/// The exit status of a connection's error.
int exit_status_of(const op_error& error);

} // namespace prooftrack::ctl
