#include "proof/error_body.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "proof/json_members.hpp"

namespace prooftrack::proof {
namespace {

constexpr std::size_t max_word = 64;
constexpr std::size_t max_message = 1024;
constexpr std::size_t max_plain_message = 200;
constexpr std::size_t max_request_id = 128;

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

/// The words of Proof's documentation.
bool is_documented(std::string_view word) {
    static constexpr std::array<std::string_view, 23> words{
        "invalid_request",
        "wallet_not_supported",
        "unsupported_currency",
        "currency_not_allowed",
        "unauthorised",
        "unauthorized",
        "missing_token",
        "invalid_token",
        "forbidden",
        "forbidden_origin",
        "offramp_disabled",
        "not_found",
        "transaction_not_found",
        "session_already_used",
        "kyc_required",
        "rate_limit_exceeded",
        "internal_error",
        "db_error",
        "token_error",
        "publish_failed",
        "upstream_error",
        "upstream_unavailable",
        "upstream_invalid_response"};
    return std::find(words.begin(), words.end(), word) != words.end();
}

std::string plain_word(const std::string& word) {
    const bool plain = word.size() <= max_word && std::all_of(word.begin(), word.end(), is_plain);
    return plain ? word : std::string();
}

/// At most `most` bytes, not ending inside a UTF-8 sequence.
std::string cut(std::string text, std::size_t most) {
    if (text.size() <= most) return text;
    while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0U) == 0x80U) --most;
    text.resize(most);
    return text;
}

} // namespace

std::optional<proof_error_body> parse_error_body(std::string_view body) {
    const auto members = parse_reply_object(body);
    if (!members) return std::nullopt;
    const string_member error = find_string(*members, "error");
    const string_member message = find_string(*members, "message");
    if (error.state != member_state::ok) return std::nullopt;
    const string_member code = find_string(*members, "code");
    const string_member request_id = find_string(*members, "request_id");
    proof_error_body parsed;
    parsed.code = plain_word(code.text);
    if (parsed.code.empty()) parsed.code = plain_word(error.text);
    if (parsed.code.empty()) return std::nullopt; // frameworks of gateways say {"error": "Not Found"}
    if (message.state != member_state::ok && !is_documented(parsed.code) && !is_documented(error.text))
        return std::nullopt; // {"error": "timeout"}
    parsed.message = cut(message.text, max_message);
    parsed.request_id = plain_word(request_id.text);
    return parsed;
}

std::string proof_error_body::plain_message() const {
    std::string plain;
    for (const char c : message) {
        if (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) plain.push_back(c);
    }
    return cut(std::move(plain), max_plain_message);
}

std::string sanitize_request_id(std::string_view text) {
    std::string clean;
    for (const char c : text) {
        if (clean.size() == max_request_id) break;
        if (c > ' ' && c <= '~') clean.push_back(c);
    }
    return clean;
}

} // namespace prooftrack::proof
