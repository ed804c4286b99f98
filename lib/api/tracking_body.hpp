#pragma once

// What a user may say about a tracking: the bodies of POST /v1/transactions, a line of an import, `tracking` of a
// session; new options of one that is tracked. Pure.

#include <optional>
#include <string>
#include <string_view>

#include "api/json_fields.hpp"

namespace prooftrack::api {

inline constexpr std::size_t max_metadata_bytes = 4096;

/// `{"merchant_transaction_id", "callback_url"?, "metadata"?, "overdue_after"?}`
parsed<track_request> parse_track_request(std::string_view text);

/// `{"callback_url"?, "metadata"?, "overdue_after"?}`
parsed<tracking_options> parse_tracking_options(std::string_view text);

/// `{"metadata"?, "callback_url"?}`, one of them at least; a callback_url of null takes it away.
parsed<options_patch> parse_options_patch(std::string_view text);

/// A session's body, taken apart: `body` is `text` without the member `tracking` and one adjoining comma; every other
/// byte stays.
struct session_body {
    std::string body;
    tracking_options options;
};
parsed<session_body> parse_session_body(std::string_view text);

/// The `merchant_transaction_id` of the body of Proof's own webhook; nothing else in it is looked at.
parsed<transaction_id> parse_hint(std::string_view text);

/// A valid id, or the problem that says what an id is.
parsed<transaction_id> checked_id(std::string_view text);

} // namespace prooftrack::api
