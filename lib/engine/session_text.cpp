#include "engine/session_text.hpp"

#include <fmt/format.h>

#include "net/json.hpp"

namespace prooftrack {
namespace {

bool is_unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_' || c == '~';
}

} // namespace

std::optional<transaction_id> find_session_id(std::string_view reply_body) {
    json_limits limits;
    limits.allow_duplicate_keys = true; // Proof's business, but for the one member that counts
    limits.allow_number_overflow = true;
    const auto members = top_level_members(reply_body, limits);
    if (!members) return std::nullopt;
    std::optional<transaction_id> id;
    for (const json_member& member : *members) {
        if (member.key != "merchant_transaction_id") continue;
        const auto text = decode_json_string(member.value);
        if (!text || id) return std::nullopt;
        id = transaction_id::parse(*text);
        if (!id) return std::nullopt;
    }
    return id;
}

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

} // namespace prooftrack
