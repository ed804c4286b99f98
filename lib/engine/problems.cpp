#include "engine/problems.hpp"

#include <utility>

#include <fmt/format.h>

#include "store/store.hpp"

namespace prooftrack {

problem refuse(problem_code code, std::string detail) {
    problem refused;
    refused.code = code;
    refused.detail = std::move(detail);
    return refused;
}

problem store_problem(const op_error& error) {
    if (error.code == store_error::full) {
        return refuse(problem_code::store_unavailable,
                      "the disk is full: nothing was changed; free some room and try again");
    }
    if (error.code == boost::system::errc::invalid_argument) {
        return refuse(problem_code::invalid_request, fmt::format("{}: {}", error.operation, error.detail));
    }
    if (error.code == store_error::no_room_for_copy) {
        return refuse(problem_code::store_unavailable, "there is no room for a copy of the database beside it");
    }
    if (error.code == store_error::busy) {
        return refuse(problem_code::unavailable, "another backup is being made: try again when it is done");
    }
    return refuse(problem_code::store_unavailable, fmt::format("the database cannot take it: {}", error.message()));
}

problem unknown_transaction(const transaction_id& id) {
    return refuse(problem_code::unknown_transaction,
                  fmt::format("'{}' is not tracked here: POST /v1/transactions tracks it", id.str()));
}

} // namespace prooftrack
