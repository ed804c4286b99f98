#pragma once

// The few looks into Proof's session bytes, and the path of a KYC request. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "base/ids.hpp"

namespace prooftrack {

/// The id in a session reply; nullopt when the body is not one JSON object that has a valid `merchant_transaction_id`
/// exactly once.
std::optional<transaction_id> find_session_id(std::string_view reply_body);

/// `/widget/users/{id}/kyc-status` with the user's id percent-encoded.
std::string kyc_target(std::string_view partner_user_id);

} // namespace prooftrack
