#include "proof_site.hpp"

#include <fmt/format.h>
#include <openssl/crypto.h>

#include "base/ids.hpp"
#include "random_text.hpp"

namespace prooftrack::sandbox {
namespace {

constexpr std::string_view transactions_prefix = "/widget/transactions/";
constexpr std::string_view users_prefix = "/widget/users/";
constexpr std::string_view kyc_suffix = "/kyc-status";
constexpr std::string_view control_prefix = "/sandbox/";
constexpr std::uint64_t proof_body_limit = 64U << 10U;
constexpr std::uint64_t control_body_limit = 64U << 20U;

proof_failure wrong_method() { return documented_failure(405); }

/// Another id than the asked one, as long.
std::string other_id(std::string_view id) {
    std::string other(id);
    other.back() = other.back() == '0' ? '1' : '0';
    return other;
}

} // namespace

proof_site::proof_site(proof_site_options options)
    : options_(std::move(options)), world_(options_.rules.generation, options_.accept_any), random_(options_.seed) {}

bool proof_site::admits_connection(instant now) { return faults_.empty() || !faults_.take_refusal(now.steady); }

std::uint64_t proof_site::body_limit(std::string_view target) const {
    return target.starts_with(control_prefix) ? control_body_limit : proof_body_limit;
}

document_result<void> proof_site::apply(script_document document, instant now) {
    for (auto& [id, change] : document.transactions) {
        if (!world_.change(id, std::move(change), now)) return document_error{"too many transactions"};
    }
    for (auto& [id, status] : document.users) {
        if (!world_.set_kyc_status(std::move(id), std::move(status))) return document_error{"too many users"};
    }
    if (document.session_script) world_.session_script = std::move(*document.session_script);
    for (auto& added : document.faults) {
        if (!faults_.turn_on(std::move(added), now.steady)) return document_error{"too many faults"};
    }
    return {};
}

std::optional<std::uint32_t> proof_site::stream_limit(instant now) const {
    return faults_.empty() ? std::nullopt : faults_.stream_limit(now.steady);
}

reply_plan proof_site::answer(const incoming_request& request) {
    reply_plan plan;
    plan.request_id = next_request_id();
    if (request.path().starts_with(control_prefix)) {
        plan.answer = control(request, plan.request_id);
        return plan;
    }
    ++requests_;
    std::optional<fault> struck;
    if (!faults_.empty()) {
        const auto now = request.arrival.steady;
        plan.delay = faults_.take_delay(request.path(), now);
        if (request.http2) plan.stream_limit = faults_.take_stream_limit(request.path(), now);
        struck = faults_.take(request.path(), now, request.http2);
    }
    if (struck) {
        strike(*struck, request, plan);
    } else {
        plan.answer = serve(request, plan.request_id, false);
    }
    log_.append(request.arrival.wall, request.method, request.target, plan.served ? plan.answer.status : 0);
    return plan;
}

bool proof_site::authorized(const incoming_request& request) const {
    constexpr std::string_view scheme = "Bearer ";
    const auto token = options_.token.reveal();
    if (!request.authorization.starts_with(scheme)) return false;
    const auto given = request.authorization.substr(scheme.size());
    return given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;
}

reply proof_site::refuse(const proof_failure& failure, std::string_view request_id) const {
    return make_failure_reply(options_.rules.generation, failure, request_id);
}

reply proof_site::serve(const incoming_request& request, std::string_view request_id, bool wrong_id) {
    if (!authorized(request)) {
        auto failure = documented_failure(401);
        if (request.authorization.empty()) {
            failure.code = "missing_token";
            failure.message = "A client token is required";
        }
        return refuse(failure, request_id);
    }
    const auto path = request.path();
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (path == "/widget/session") {
        return request.method == "POST" ? serve_session(request, request_id) : refuse(wrong_method(), request_id);
    }
    if (path.starts_with(transactions_prefix)) {
        if (!get) return refuse(wrong_method(), request_id);
        return serve_transaction(path.substr(transactions_prefix.size()), request.arrival, request_id, wrong_id);
    }
    if (path.starts_with(users_prefix) && path.ends_with(kyc_suffix) &&
        path.size() > users_prefix.size() + kyc_suffix.size()) {
        if (!get) return refuse(wrong_method(), request_id);
        const auto user = path.substr(users_prefix.size(), path.size() - users_prefix.size() - kyc_suffix.size());
        return serve_kyc(user, request);
    }
    return refuse({404, "not_found", "not_found", "There is nothing at this path"}, request_id);
}

reply proof_site::serve_session(const incoming_request& request, std::string_view request_id) {
    auto parsed = parse_session_request(options_.rules, request.body);
    if (const auto* failure = std::get_if<proof_failure>(&parsed)) return refuse(*failure, request_id);
    auto& order = std::get<session_order>(parsed);
    const session_secrets secrets{make_uuid(), "v2:" + random_hex(32), random_hex(32)};
    auto script = script_by_email(order.user_email);
    if (!world_.add_order(
            secrets.transaction_id, order.facts, script ? std::move(*script) : world_.session_script,
            request.arrival)) {
        return refuse(
            {500, "internal_error", "db_error", "The sandbox holds as many transactions as it can"}, request_id);
    }
    widgets_.remember(secrets.transaction_id, secrets.init_token, request.arrival);
    reply made;
    made.body = format_session(order, secrets, options_.base_url);
    return made;
}

reply proof_site::serve_transaction(std::string_view id, instant now, std::string_view request_id, bool wrong_id) {
    if (!transaction_id::parse(id)) {
        return refuse({400, "invalid_request", "invalid_request", std::string(transaction_id_rule)}, request_id);
    }
    const auto* found = world_.find(id, now);
    if (found == nullptr) return refuse(documented_failure(404), request_id);
    reply made;
    if (wrong_id) {
        // The trap is complete: whoever does not compare the id takes this for an end.
        auto completed = *found;
        completed.status = "completed";
        completed.raw_body.clear();
        made.body = format_transaction(other_id(id), completed);
    } else {
        made.body = format_transaction(id, *found);
    }
    return made;
}

reply proof_site::serve_kyc(std::string_view user, const incoming_request& request) {
    const auto status = world_.kyc_status(user);
    reply made;
    made.body = R"({"partner_user_id":)";
    append_json(made.body, user);
    made.body += R"(,"status":)";
    append_json(made.body, status);
    if (options_.rules.generation == api_generation::first) {
        made.body += R"(,"verified_at":)";
        if (status == "verified") {
            append_json(made.body, format_wall_time(request.arrival.wall));
        } else {
            made.body += "null";
        }
    }
    made.body += '}';
    return made;
}

std::string proof_site::next_request_id() { return fmt::format("req_{:016x}", random_.next()); }

} // namespace prooftrack::sandbox
