#include "engine/session_desk.hpp"

#include <utility>

#include <fmt/format.h>

#include "engine/digests.hpp"
#include "engine/problems.hpp"
#include "engine/session_text.hpp"

namespace prooftrack {
namespace {

problem proof_problem(const op_error& error) {
    problem_code code = problem_code::proof_unreachable;
    if (error.code == proof_error::timed_out) code = problem_code::proof_timeout;
    if (error.code == proof_error::unusable_reply) code = problem_code::proof_unusable_reply;
    return refuse(code, fmt::format("Proof gave no usable answer: {}", error.message()));
}

problem passed_through(const proof_reply& reply) {
    problem passed = refuse(problem_code::passed_through,
                            reply.message.empty() ? fmt::format("Proof answered {}", reply.status) : reply.message);
    passed.status = reply.status;
    passed.proof_code = reply.error_code;
    if (!reply.request_id.empty()) passed.members.emplace_back("request_id", fmt::format("\"{}\"", reply.request_id));
    return passed;
}

/// The contract's 201 stands for any success of Proof's; other statuses pass as they are.
proxied_reply as_session(proof_reply reply) {
    const int status = reply.status >= 200 && reply.status < 300 ? 201 : reply.status;
    return proxied_reply{status, std::move(reply.content_type), std::move(reply.body), std::move(reply.request_id)};
}

proxied_reply as_proxied(proof_reply reply) {
    return proxied_reply{reply.status, std::move(reply.content_type), std::move(reply.body),
                         std::move(reply.request_id)};
}

/// Whether the request may have created a transaction at Proof: then the key must not be used again.
bool may_have_reached(const op_error& error) {
    return error.code == proof_error::timed_out || error.code == proof_error::interrupted ||
           error.code == proof_error::unusable_reply;
}

} // namespace

void session_desk::create(session_request request, backend_handler<proxied_reply> handler) {
    if (auto refused = check_(request.options)) {
        handler(std::move(*refused));
        return;
    }
    if (!request.idempotency_key) {
        ask(std::move(request), std::nullopt, std::move(handler));
        return;
    }
    forget_old();
    const digest key = sha256(*request.idempotency_key);
    const digest body = sha256(request.whole_body);
    const auto kept = kept_.find(key);
    if (kept == kept_.end()) {
        claim(std::move(request), key, body, std::move(handler));
        return;
    }
    if (kept->second.body != body) {
        handler(refuse(problem_code::idempotency_key_reused,
                       "this Idempotency-Key was used with another body: take a new key"));
    } else if (kept->second.reply) {
        handler(*kept->second.reply);
    } else {
        kept->second.joined.push_back(std::move(handler));
    }
}

void session_desk::claim(session_request request, digest key, digest body, backend_handler<proxied_reply> handler) {
    kept_.emplace(key, kept_session{body, clock_.now().steady + session_memory, std::nullopt, {}});
    kept_order_.push_back(key);
    store_.claim_session(
        key, body, clock_.now().wall,
        [this, request = std::move(request), key,
         handler = std::move(handler)](op_result<session_claim> claimed) mutable {
            if (!claimed) {
                finish(key, store_problem(claimed.error()), std::move(handler));
                return;
            }
            switch (claimed->what) {
            case session_claim::verdict::fresh:
                ask(std::move(request), key, std::move(handler));
                return;
            case session_claim::verdict::other_body:
                finish(key,
                       refuse(problem_code::idempotency_key_reused,
                              "this Idempotency-Key was used with another body: take a new key"),
                       std::move(handler));
                return;
            case session_claim::verdict::outcome_unknown:
                finish(key,
                       refuse(problem_code::session_outcome_unknown,
                              "the daemon stopped while Proof was asked under this key: whether a session exists is "
                              "not known; take a new key"),
                       std::move(handler));
                return;
            case session_claim::verdict::done: {
                problem replayed = refuse(
                    problem_code::session_replayed,
                    "this key's session exists and is tracked, but its secret part was never stored: take a new key");
                replayed.members.emplace_back("merchant_transaction_id", fmt::format("\"{}\"", claimed->transaction));
                finish(key, std::move(replayed), std::move(handler));
                return;
            }
            }
        });
}

void session_desk::ask(session_request request, std::optional<digest> key, backend_handler<proxied_reply> handler) {
    proof_call call{proof_call::method_kind::post, "/widget/session", std::move(request.body)};
    proof_->call(std::move(call), [this, options = std::move(request.options), key,
                                   handler = std::move(handler)](op_result<proof_reply> reply) mutable {
        on_reply(std::move(reply), std::move(options), key, std::move(handler));
    });
}

void session_desk::on_reply(op_result<proof_reply> reply, tracking_options options, std::optional<digest> key,
                            backend_handler<proxied_reply> handler) {
    const bool is_unknown = !reply && may_have_reached(reply.error());
    if (!reply) {
        if (key && !is_unknown) store_.release_session(*key, [](const op_result<std::monostate>&) {});
        finish(key, proof_problem(reply.error()), std::move(handler));
        return;
    }
    const auto id = find_session_id(reply->body);
    const bool is_success = reply->status >= 200 && reply->status < 300;
    if (!id) {
        if (key && !is_success) store_.release_session(*key, [](const op_result<std::monostate>&) {});
        outcome<proxied_reply> failed = passed_through(*reply);
        if (is_success) {
            failed = refuse(problem_code::proof_unusable_reply,
                            "Proof's reply has no usable merchant_transaction_id: ask Proof's support with request_id");
        }
        finish(key, std::move(failed), std::move(handler));
        return;
    }
    track_(*id, std::move(options), key,
           [this, id = *id, reply = std::move(*reply), key,
            handler = std::move(handler)](std::optional<problem> refused) mutable {
               if (refused) {
                   refused->members.emplace_back("merchant_transaction_id", fmt::format("\"{}\"", id.str()));
                   log_.write(log_event_id::store_error, {{"operation", "track a new session's id"},
                                                          {"merchant_transaction_id", id.str()},
                                                          {"error", refused->detail}});
                   finish(key, std::move(*refused), std::move(handler));
                   return;
               }
               finish(key, as_session(std::move(reply)), std::move(handler));
           });
}

void session_desk::finish(const std::optional<digest>& key, outcome<proxied_reply> result,
                          backend_handler<proxied_reply> handler) {
    handler_list joined;
    if (const auto kept = key ? kept_.find(*key) : kept_.end(); kept != kept_.end()) {
        joined = std::move(kept->second.joined);
        kept->second.joined.clear();
        if (const auto* reply = std::get_if<proxied_reply>(&result)) {
            kept->second.reply = *reply;
        } else {
            kept_.erase(kept); // its place in kept_order_ is skipped later
        }
    }
    for (auto& other : joined) other(result);
    handler(std::move(result));
}

void session_desk::forget_old() {
    const steady_time now = clock_.now().steady;
    while (!kept_order_.empty()) {
        const auto oldest = kept_.find(kept_order_.front());
        const bool is_gone = oldest == kept_.end();
        const bool is_busy = !is_gone && !oldest->second.reply;
        if (!is_gone && (is_busy || (oldest->second.until > now && kept_.size() < most_kept_sessions))) return;
        if (!is_gone) kept_.erase(oldest);
        kept_order_.pop_front();
    }
}

void session_desk::kyc_status(const std::string& partner_user_id, backend_handler<proxied_reply> handler) {
    proof_call call{proof_call::method_kind::get, kyc_target(partner_user_id), ""};
    proof_->call(std::move(call), [handler = std::move(handler)](op_result<proof_reply> reply) mutable {
        if (!reply) {
            handler(proof_problem(reply.error()));
        } else if (reply->status >= 200 && reply->status < 300) {
            handler(as_proxied(std::move(*reply)));
        } else {
            handler(passed_through(*reply));
        }
    });
}

} // namespace prooftrack
