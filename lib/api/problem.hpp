#pragma once

// Refusals as RFC 9457 problems: each code's word, status and title in one table.

#include <span>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

#include "api/backend.hpp"

namespace prooftrack::api {

/// The word, status and title of a problem's code.
struct problem_kind {
    problem_code code;
    int status; ///< 0 for passed_through: Proof's own
    std::string_view word;
    std::string_view title;
};

/// Every code, in the order of the enum.
std::span<const problem_kind> problem_kinds();
const problem_kind& kind_of(problem_code code);

/// The status that is sent; for passed_through Proof's own, or 502 when that is not an error status.
int http_status(const problem& what);

problem make_problem(problem_code code, std::string detail);
/// invalid_request: what the client sent is not what the call takes.
problem refused(std::string detail);

/// The body of `application/problem+json`.
std::string format_problem(const problem& what);

/// For what depends on a request's bytes.
template <class T>
using parsed = boost::system::result<T, problem>;

} // namespace prooftrack::api
