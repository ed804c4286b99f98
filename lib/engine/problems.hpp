#pragma once

// How the engine's failures look to a user of the API.

#include <string>

#include "api/backend.hpp"
#include "base/result.hpp"

namespace prooftrack {

problem refuse(problem_code code, std::string detail);
/// A full disk is 503 with what to do; anything else of the store likewise.
problem store_problem(const op_error& error);
problem unknown_transaction(const transaction_id& id);

} // namespace prooftrack
