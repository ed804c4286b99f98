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

problem full_disk() {
    return refuse(
        problem_code::store_unavailable, "the disk is full: nothing was changed; free some room and try again");
}

problem store_problem(const op_error& error) {
    if (error.code == store_error::full) return full_disk();
    if (error.code == boost::system::errc::invalid_argument) {
        return refuse(problem_code::invalid_request, fmt::format("{}: {}", error.operation, error.detail));
    }
    if (error.code == store_error::no_space_for_copy) {
        return refuse(problem_code::store_unavailable, "there is no room for a copy of the database beside it");
    }
    if (error.code == store_error::busy) {
        return refuse(problem_code::unavailable, "another backup is being made: try again when it is done");
    }
    return refuse(problem_code::store_unavailable, fmt::format("the database cannot take it: {}", error.message()));
}

problem unknown_transaction(const transaction_id& id) {
    return refuse(
        problem_code::unknown_transaction,
        fmt::format("'{}' is not tracked here: `prooftrackctl track {}` tracks it", id.str(), id.str()));
}

problem call_problem(const op_error& error) {
    if (error.code == proof_error::stopped) {
        return refuse(problem_code::unavailable, "the daemon is stopping: try again in a moment");
    }
    problem_code code = problem_code::proof_unreachable;
    if (error.code == proof_error::timed_out) code = problem_code::proof_timeout;
    if (error.code == proof_error::unusable_reply) code = problem_code::proof_unusable_reply;
    return refuse(code, fmt::format("Proof gave no usable answer: {}", error.message()));
}

problem reply_problem(const proof_reply& reply, std::string_view missing) {
    problem made;
    if (reply.is_own_error) {
        made = refuse(
            problem_code::passed_through,
            reply.message.empty() ? fmt::format("Proof answered {}", reply.status) : reply.message);
        made.status = reply.status;
        made.proof_code = reply.error_code;
    } else if (reply.status >= 200 && reply.status < 300) {
        made = refuse(
            problem_code::proof_unusable_reply,
            fmt::format("Proof answered {} with {}: ask its support with request_id", reply.status, missing));
    } else if (reply.status >= 300 && reply.status < 400) {
        made = refuse(
            problem_code::proof_unusable_reply,
            fmt::format(
                "a redirect ({}) came in place of Proof's reply, and none is followed: look at "
                "proof.base_url",
                reply.status));
    } else {
        made = refuse(
            problem_code::proof_unusable_reply,
            fmt::format(
                "{} came without Proof's error body: a gateway or firewall on the way has answered", reply.status));
    }
    if (!reply.request_id.empty()) made.members.push_back(problem_member::text("request_id", reply.request_id));
    if (reply.retry_after) made.retry_after = std::chrono::ceil<seconds>(*reply.retry_after);
    return made;
}

} // namespace prooftrack
