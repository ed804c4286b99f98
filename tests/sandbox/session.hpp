#pragma once

// POST /widget/session: Proof's validation of the request and its reply, in either generation. Pure.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "proof_error.hpp"
#include "world.hpp"

namespace prooftrack::sandbox {

/// What a valid request ordered.
struct session_order {
    order_facts facts;
    std::string address;      ///< the merchant's or the user's wallet
    std::string redirect_url; ///< "" = none
    std::string user_email;
};

/// Which generation a body is checked and answered by. Strict when the server was started for one; otherwise the body
/// tells.
struct session_rules {
    api_generation generation = api_generation::first;
    bool either = true; ///< a body with `amount` and no `fiat_currency` is a current one
};

/// The order, or what Proof would refuse it with.
std::variant<session_order, proof_failure> parse_session_request(const session_rules& rules, std::string_view body);

/// The secret and random parts of a reply.
struct session_secrets {
    std::string transaction_id;
    std::string signature; ///< `v2:` and hex
    std::string init_token;
};

/// Every parameter for the browser widget, in the order's generation.
std::string format_session(const session_order& order, const session_secrets& secrets, std::string_view base_url);

/// How a sandbox user steers a session's end: by the local part of the e-mail (`fails@…`, `cancels@…`, `waits@…`);
/// nullopt = as usual.
std::optional<std::vector<script_step>> script_by_email(std::string_view email);

} // namespace prooftrack::sandbox
