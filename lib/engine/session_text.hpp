#pragma once

// What a reply to a session request says, and the path of a KYC request. Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"
#include "proof/proof_client.hpp"

namespace prooftrack::engine {

enum class session_outcome : std::uint8_t {
    made,    ///< the reply names the session's transaction, whatever its status
    refused, ///< Proof certainly made no session
    unknown, ///< nothing says whether Proof made one
};

struct session_reading {
    session_outcome outcome = session_outcome::unknown;
    std::optional<transaction_id> id; ///< with `made`
};

/// `made` takes one valid `merchant_transaction_id` in one whole JSON object. `refused` takes a 4xx with Proof's own
/// error body and no id at all; a gateway's page, a 5xx and a 408 (the server lost patience, at whatever point) leave
/// it open. Of the others Proof says itself that nothing was made: a 429 was turned away, a 409 wants a new session.
session_reading read_session_reply(const proof::proof_reply& reply);

/// True when `body` is one whole JSON object.
bool is_json_object(std::string_view body);

/// `/widget/users/{id}/kyc-status` with the user's id percent-encoded.
std::string kyc_target(std::string_view partner_user_id);

} // namespace prooftrack::engine
