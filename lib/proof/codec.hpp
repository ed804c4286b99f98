#pragma once

// What a reply to a poll means. Pure: bytes and the clock in, an answer out. README.md shows the table.

#include <cstdint>
#include <string_view>

#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::proof {

/// A whole HTTP reply. Fields that did not come are "".
struct reply_view {
    int status = 0;
    std::string_view content_type;
    std::string_view content_encoding;
    std::string_view request_id;
    std::string_view retry_after;
    std::string_view date;
    std::string_view body;
};

/// The poll that is answered.
struct poll_question {
    std::string_view id;          ///< merchant_transaction_id
    std::uint64_t known_body = 0; ///< hash of the last good reply, 0 = none
    std::uint64_t hash_seed = 0;  ///< of hash_body
};

/// Classifies a reply; `now` is our clock, for dates that are relative. `took` is left to the caller. Never fails: what
/// breaks a rule is `unusable` or `server_error`, and `error` says why without quoting the body.
track::poll_answer classify_reply(const reply_view& reply, const poll_question& asked, wall_time now);

/// The `error` of a good-looking reply that names another id: the answers of its connection may have been mixed up.
inline constexpr std::string_view wrong_id_error = "200 but the reply is about another transaction";

/// True for `application/json`, any case, with or without parameters.
bool is_json_type(std::string_view content_type);

/// A header's value for an error text: quoted, printable ASCII, at most 60 characters.
std::string quote_field(std::string_view value);

/// True when the body is what it says: no Content-Encoding, or `identity`.
bool is_plain_coding(std::string_view content_encoding);

} // namespace prooftrack::proof
