#include "engine/problems.hpp"

#include <utility>

#include <fmt/format.h>

#include "store/store.hpp"

namespace prooftrack::engine {

api::problem refuse(api::problem_code code, std::string detail) {
    api::problem refused;
    refused.code = code;
    refused.detail = std::move(detail);
    return refused;
}

api::problem full_disk() {
    return refuse(
        api::problem_code::store_unavailable, "the disk is full: nothing was changed; free some room and try again");
}

api::problem unreachable_store() {
    return refuse(
        api::problem_code::store_unavailable,
        "PostgreSQL cannot be reached: nothing was changed; try again, the daemon connects by itself");
}

api::problem store_problem(const op_error& error) {
    if (error.code == store::store_error::full) return full_disk();
    if (error.code == store::store_error::unreachable) return unreachable_store();
    if (error.code == store::store_error::not_a_file)
        return refuse(api::problem_code::invalid_request, error.message());
    if (error.code == boost::system::errc::invalid_argument) {
        return refuse(api::problem_code::invalid_request, fmt::format("{}: {}", error.operation, error.detail));
    }
    if (error.code == store::store_error::no_space_for_copy) {
        return refuse(api::problem_code::store_unavailable, "there is no room for a copy of the database beside it");
    }
    if (error.code == store::store_error::busy) {
        return refuse(
            api::problem_code::unavailable, error.detail.empty()
                                                ? "another backup is being made: try again when it is done"
                                                : error.detail + ": try again when one is done");
    }
    return refuse(
        api::problem_code::store_unavailable, fmt::format("the database cannot take it: {}", error.message()));
}

api::problem unknown_transaction(const transaction_id& id) {
    return refuse(
        api::problem_code::unknown_transaction,
        fmt::format("'{}' is not tracked here: `prooftrackctl track {}` tracks it", id.str(), id.str()));
}

api::problem unknown_delivery(delivery_id id) {
    return refuse(
        api::problem_code::unknown_delivery,
        fmt::format("there is no delivery {}: `prooftrackctl deliveries` lists them", value_of(id)));
}

api::problem unknown_callback(std::string_view name) {
    return refuse(api::problem_code::unknown_callback, fmt::format("no [[callback]] has the name '{}'", name));
}

api::problem call_problem(const op_error& error) {
    if (error.code == proof::proof_error::stopped) {
        return refuse(api::problem_code::unavailable, "the daemon is stopping: try again in a moment");
    }
    api::problem_code code = api::problem_code::proof_unreachable;
    if (error.code == proof::proof_error::timed_out) code = api::problem_code::proof_timeout;
    if (error.code == proof::proof_error::unusable_reply) code = api::problem_code::proof_unusable_reply;
    return refuse(code, fmt::format("Proof gave no usable answer: {}", error.message()));
}

api::problem reply_problem(const proof::proof_reply& reply, std::string_view missing) {
    api::problem made;
    if (reply.is_own_error) {
        made = refuse(
            api::problem_code::passed_through,
            reply.message.empty() ? fmt::format("Proof answered {}", reply.status) : reply.message);
        made.status = reply.status;
        made.proof_code = reply.error_code;
    } else if (reply.status >= 200 && reply.status < 300) {
        made = refuse(
            api::problem_code::proof_unusable_reply,
            fmt::format("Proof answered {} with {}: ask its support with request_id", reply.status, missing));
    } else if (reply.status >= 300 && reply.status < 400) {
        made = refuse(
            api::problem_code::proof_unusable_reply,
            fmt::format(
                "a redirect ({}) came in place of Proof's reply, and none is followed: look at "
                "proof.base_url",
                reply.status));
    } else {
        made = refuse(
            api::problem_code::proof_unusable_reply,
            fmt::format(
                "{} came without Proof's error body: a gateway or firewall on the way has answered", reply.status));
    }
    if (!reply.request_id.empty()) made.members.push_back(api::problem_member::text("request_id", reply.request_id));
    if (reply.retry_after) made.retry_after = std::chrono::ceil<seconds>(*reply.retry_after);
    return made;
}

} // namespace prooftrack::engine
