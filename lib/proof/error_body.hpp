#pragma once

// Proof's own error bodies, both generations: `{"error": slug, "code": code, "message"}` and
// `{"error": code, "message", "request_id"}`.

#include <optional>
#include <string>
#include <string_view>

namespace prooftrack::proof {

/// What an error body says. Words that are not plain (`a-z A-Z 0-9 _ . -`, at most 64) are dropped: they end up in
/// logs.
struct proof_error_body {
    std::string code;       ///< `code` when it is a plain word, else `error`
    std::string message;    ///< as it came, at most 1,024 bytes
    std::string request_id; ///< first generation, plain or ""

    /// The message for a line of text: at most 200 bytes, control characters left out.
    std::string plain_message() const;
};

/// nullopt unless `body` is one whole JSON object with one string member `error`, that or `code` is a plain word, and
/// there is a `message` too or the word is a documented one: else it is not Proof's (a proxy's page, a gateway's JSON).
std::optional<proof_error_body> parse_error_body(std::string_view body);

/// Printable ASCII of a header from outside, at most 128 characters; everything else is left out.
std::string sanitize_request_id(std::string_view text);

} // namespace prooftrack::proof
