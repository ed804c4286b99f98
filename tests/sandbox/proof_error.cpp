#include "proof_error.hpp"

namespace prooftrack::sandbox {

std::optional<api_generation> parse_api_generation(std::string_view text) {
    if (text == "first") return api_generation::first;
    if (text == "current") return api_generation::current;
    return std::nullopt;
}

reply make_failure_reply(api_generation generation, const proof_failure& failure, std::string_view request_id) {
    reply out;
    out.status = failure.status;
    out.body = R"({"error":)";
    // The first generation says one word; which token was wrong is the current one's detail.
    const bool slug_alone = generation == api_generation::current || failure.status == 401;
    append_json(out.body, slug_alone ? failure.slug : failure.code);
    if (generation == api_generation::current) {
        out.body += R"(,"code":)";
        append_json(out.body, failure.code);
    }
    out.body += R"(,"message":)";
    append_json(out.body, failure.message);
    if (generation == api_generation::first) {
        out.body += R"(,"request_id":)";
        append_json(out.body, request_id);
    }
    out.body += '}';
    if (failure.status == 401) out.headers.emplace_back("WWW-Authenticate", "Bearer");
    return out;
}

proof_failure documented_failure(int status) {
    switch (status) {
    case 400:
        return {400, "invalid_request", "invalid_request", "The request is not valid"};
    case 401:
        return {401, "unauthorized", "invalid_token", "The client token is not valid"};
    case 403:
        return {403, "forbidden", "forbidden_origin", "This server's address is not on the allowlist"};
    case 404:
        return {404, "not_found", "transaction_not_found", "No such transaction"};
    case 405:
        return {405, "method_not_allowed", "method_not_allowed", "This path does not know that method"};
    case 409:
        return {409, "session_already_used", "session_already_used", "A new session is needed"};
    case 413:
        return {413, "invalid_request", "body_too_large", "The request's body is too large"};
    case 422:
        return {422, "kyc_required", "kyc_required", "The user must be verified first"};
    case 429:
        return {429, "rate_limit_exceeded", "rate_limit_exceeded", "Too many requests"};
    case 502:
        return {502, "upstream_error", "upstream_unavailable", "An upstream service is not available"};
    default:
        if (status >= 500) return {status, "internal_error", "internal_error", "Something went wrong"};
        return {status, "error", "error", "Answered so by a fault"};
    }
}

} // namespace prooftrack::sandbox
