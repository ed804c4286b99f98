#pragma once

// The engine's failures as problems of the API.

#include <string>
#include <string_view>

#include "api/backend.hpp"
#include "base/result.hpp"
#include "proof/proof_client.hpp"

namespace prooftrack::engine {

api::problem refuse(api::problem_code code, std::string detail);
api::problem full_disk();
api::problem unreachable_store(); ///< 503 with what to do
/// What the store said, as users see it; a full disk is `full_disk`.
api::problem store_problem(const op_error& error);
api::problem unknown_transaction(const transaction_id& id);
api::problem unknown_delivery(delivery_id id);
api::problem unknown_callback(std::string_view name);
/// A call to Proof without a reply.
api::problem call_problem(const op_error& error);
/// A reply that is not the expected one: Proof's own error passes through, anything else is `proof_unusable_reply`.
/// `missing` says what a reply with a status of success lacks.
api::problem reply_problem(const proof::proof_reply& reply, std::string_view missing);

} // namespace prooftrack::engine
