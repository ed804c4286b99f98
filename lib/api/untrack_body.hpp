#pragma once

// The body of POST /v1/transactions/untrack. Pure.

#include <string_view>

#include "api/problem.hpp"

namespace prooftrack::api {

/// `{"filter": {"state"?, "status"?, "metadata.KEY"?, "tracked_before"?}, "dry_run"?}`, all members of the filter
/// strings and one of them at least: the filter of GET /v1/transactions, without a way to name everything.
parsed<untrack_request> parse_untrack_request(std::string_view text);

} // namespace prooftrack::api
