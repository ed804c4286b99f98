#include "engine/session_text.hpp"

#include <fmt/format.h>

#include "net/json.hpp"

namespace prooftrack::engine {
namespace {

constexpr int request_timeout_status = 408;

bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

/// The members of what Proof sends: names may repeat, numbers may be of any size.
result<std::vector<net::json_member>> members_of(std::string_view body) {
    net::json_limits limits;
    limits.max_depth = 128;
    limits.allow_duplicate_keys = true;
    limits.allow_number_overflow = true;
    return top_level_members(body, limits);
}

bool is_definite_refusal(const proof::proof_reply& reply) {
    return reply.is_own_error && reply.status >= 400 && reply.status < 500 && reply.status != request_timeout_status;
}

} // namespace

session_reading read_session_reply(const proof::proof_reply& reply) {
    const auto members = members_of(reply.body);
    if (!members) return {};
    std::optional<transaction_id> id;
    std::size_t seen = 0;
    for (const net::json_member& member : *members) {
        if (member.key != "merchant_transaction_id") continue;
        if (++seen > 1) return {};
        if (member.value == "null" || member.value == "\"\"") continue; // no id is meant
        const auto text = net::decode_json_string(member.value);
        if (text) id = transaction_id::parse(*text);
        if (!id) return {};
    }
    if (id) return {session_outcome::made, std::move(id)};
    return {is_definite_refusal(reply) ? session_outcome::refused : session_outcome::unknown, std::nullopt};
}

bool is_json_object(std::string_view body) { return members_of(body).has_value(); }

std::string kyc_target(std::string_view partner_user_id) {
    std::string target = "/widget/users/";
    for (const char c : partner_user_id) {
        if (is_unreserved(c)) {
            target += c;
        } else {
            target += fmt::format("%{:02X}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
    }
    return target + "/kyc-status";
}

} // namespace prooftrack::engine
