#pragma once

// Proof's error bodies, in the shape of either generation.

#include <optional>
#include <string>
#include <string_view>

#include "reply.hpp"

namespace prooftrack::sandbox {

/// Two generations of Proof's API are live; they differ in fields and in the shape of errors.
enum class api_generation : std::uint8_t { first, current };
std::optional<api_generation> parse_api_generation(std::string_view text);

/// Current: `{"error": slug, "code": code, "message"}`; first: `{"error": code, "message", "request_id"}`.
struct proof_failure {
    int status = 400;
    std::string_view slug;
    std::string_view code;
    std::string message;
};
reply make_failure_reply(api_generation generation, const proof_failure& failure, std::string_view request_id);

/// What Proof documents for an HTTP status, for a fault that names only the status.
proof_failure documented_failure(int status);

} // namespace prooftrack::sandbox
