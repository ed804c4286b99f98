#include "engine/session_desk.hpp"

#include <utility>

#include "engine/digests.hpp"
#include "engine/problems.hpp"
#include "engine/session_text.hpp"

namespace prooftrack {
namespace {

/// So many failed releases are remembered; the key of one more has an unknown outcome, as after a restart.
constexpr std::size_t most_unreleased = 10'000;
constexpr std::string_view no_id = "no usable merchant_transaction_id";

/// Any success of Proof's is answered 201 (lib/api/openapi.json); other statuses pass as they are.
int session_status(int status) { return status >= 200 && status < 300 ? 201 : status; }

proxied_reply as_proxied(proof_reply reply, int status) {
    return proxied_reply{status, std::move(reply.content_type), std::move(reply.body), std::move(reply.request_id)};
}

problem key_reused() {
    return refuse(problem_code::idempotency_key_reused,
                  "this Idempotency-Key was used with another body: take a new key");
}

problem outcome_unknown() {
    return refuse(problem_code::session_outcome_unknown,
                  "Proof was asked under this key and no definite answer came: whether a session exists is not known, "
                  "and none is made under this key any more; take a new key");
}

problem session_replayed(std::string transaction) {
    problem replayed = refuse(problem_code::session_replayed,
                              "this key's session exists, but its secret part is not kept (any more): take a new key");
    replayed.members.push_back(problem_member::text("merchant_transaction_id", std::move(transaction)));
    return replayed;
}

problem with_unknown_session(problem failed) {
    failed.detail += "; whether Proof made a session is not known";
    return failed;
}

} // namespace

void session_desk::create(session_request request, backend_handler<proxied_reply> handler) {
    job asked{std::move(request.body), std::move(request.options), std::nullopt, {}, std::move(handler)};
    if (request.idempotency_key) {
        asked.key = sha256(*request.idempotency_key);
        asked.body = sha256(request.whole_body);
        if (const auto busy = busy_.find(*asked.key); busy != busy_.end()) {
            if (busy->second.body != asked.body) return asked.handler(key_reused());
            busy->second.joined.push_back(std::move(asked.handler));
            return;
        }
        if (const auto* kept = memory_.find(*asked.key, clock_.now().steady)) {
            return answer_kept(std::move(asked), *kept);
        }
    }
    if (auto refused = hooks_.check(asked.options)) return asked.handler(std::move(*refused));
    if (!asked.key) return ask(std::move(asked));
    busy_.emplace(*asked.key, busy_key{asked.body, {}});
    claim(std::move(asked));
}

void session_desk::answer_kept(job asked, const session_memory::entry& kept) {
    if (kept.body != asked.body) return asked.handler(key_reused());
    if (const auto* reply = std::get_if<kept_reply>(&kept.answer)) return asked.handler(reveal_reply(*reply));
    if (const auto* refused = std::get_if<problem>(&kept.answer)) return asked.handler(*refused);
    auto made = std::get<untracked_session>(kept.answer);
    memory_.forget(*asked.key);
    busy_.emplace(*asked.key, busy_key{asked.body, {}});
    track(std::move(asked), std::move(made));
}

void session_desk::claim(job asked) {
    const digest key = *asked.key;
    const digest body = asked.body;
    if (unreleased_.contains(key)) {
        store_.release_session(key,
                               [this, asked = std::move(asked)](const op_result<std::monostate>& released) mutable {
                                   if (!released) return finish(std::move(asked), store_problem(released.error()));
                                   unreleased_.erase(*asked.key);
                                   claim(std::move(asked));
                               });
        return;
    }
    store_.claim_session(key, body, hooks_.vouched_now(),
                         [this, asked = std::move(asked)](op_result<session_claim> claimed) mutable {
                             on_claimed(std::move(asked), std::move(claimed));
                         });
}

void session_desk::on_claimed(job asked, op_result<session_claim> claimed) {
    if (!claimed) return finish(std::move(asked), store_problem(claimed.error()));
    switch (claimed->what) {
    case session_claim::verdict::fresh:
        return ask(std::move(asked));
    case session_claim::verdict::other_body:
        return finish(std::move(asked), key_reused());
    case session_claim::verdict::outcome_unknown:
        return finish(std::move(asked), outcome_unknown());
    case session_claim::verdict::done:
        return finish(std::move(asked), session_replayed(std::move(claimed->transaction)));
    }
}

void session_desk::ask(job asked) {
    proof_call call{proof_call::method_kind::post, "/widget/session", std::move(asked.sent)};
    proof_->call(std::move(call), [this, asked = std::move(asked)](op_result<proof_reply> reply) mutable {
        on_reply(std::move(asked), std::move(reply));
    });
}

void session_desk::on_reply(job asked, op_result<proof_reply> reply) {
    if (!reply) {
        if (!may_have_reached_proof(reply.error())) return release(std::move(asked), call_problem(reply.error()));
        return finish(std::move(asked), with_unknown_session(call_problem(reply.error())));
    }
    session_reading reading = read_session_reply(*reply);
    switch (reading.outcome) {
    case session_outcome::made: {
        const int status = session_status(reply->status);
        untracked_session made{std::move(*reading.id), std::move(asked.options),
                               keep_secret(as_proxied(std::move(*reply), status))};
        return track(std::move(asked), std::move(made));
    }
    case session_outcome::refused:
        return release(std::move(asked), reply_problem(*reply, no_id));
    case session_outcome::unknown:
        return finish(std::move(asked), with_unknown_session(reply_problem(*reply, no_id)));
    }
}

void session_desk::track(job asked, untracked_session made) {
    transaction_id id = made.id;
    tracking_options options = made.options;
    const std::optional<digest> key = asked.key;
    hooks_.track(std::move(id), std::move(options), key,
                 [this, asked = std::move(asked), made = std::move(made)](std::optional<problem> refused) mutable {
                     on_tracked(std::move(asked), std::move(made), std::move(refused));
                 });
}

void session_desk::on_tracked(job asked, untracked_session made, std::optional<problem> refused) {
    if (!refused) {
        proxied_reply answer = reveal_reply(made.reply);
        keep(asked, std::move(made.reply));
        return finish(std::move(asked), std::move(answer));
    }
    refused->members.push_back(problem_member::text("merchant_transaction_id", made.id.str()));
    if (refused->code == problem_code::already_tracked) {
        refused->detail += "; this session is of that transaction, and its parameters are not given out";
        keep(asked, *refused);
    } else {
        log_.write(log_event_id::store_error, {{"operation", "track a new session's id"},
                                               {"merchant_transaction_id", made.id.str()},
                                               {"error", refused->detail}});
        keep(asked, std::move(made));
    }
    finish(std::move(asked), std::move(*refused));
}

void session_desk::release(job asked, problem refused) {
    if (!asked.key) return finish(std::move(asked), std::move(refused));
    const digest key = *asked.key;
    // The key stays busy until it is free in the store too: who comes in between joins instead of finding the claim.
    store_.release_session(key, [this, asked = std::move(asked),
                                 refused = std::move(refused)](const op_result<std::monostate>& released) mutable {
        if (!released && unreleased_.size() < most_unreleased) unreleased_.insert(*asked.key);
        finish(std::move(asked), std::move(refused));
    });
}

void session_desk::finish(job asked, outcome<proxied_reply> result) {
    std::vector<backend_handler<proxied_reply>> joined;
    if (const auto busy = asked.key ? busy_.find(*asked.key) : busy_.end(); busy != busy_.end()) {
        joined = std::move(busy->second.joined);
        busy_.erase(busy);
    }
    for (auto& other : joined) other(result);
    asked.handler(std::move(result));
}

void session_desk::keep(const job& asked, kept_answer answer) {
    if (!asked.key) return;
    memory_.keep(*asked.key, asked.body, std::move(answer), clock_.now().steady);
    hooks_.wake_changed();
}

void session_desk::kyc_status(const std::string& partner_user_id, backend_handler<proxied_reply> handler) {
    proof_call call{proof_call::method_kind::get, kyc_target(partner_user_id), ""};
    proof_->call(std::move(call), [handler = std::move(handler)](op_result<proof_reply> reply) mutable {
        if (!reply) return handler(call_problem(reply.error()));
        const bool is_answer = reply->status >= 200 && reply->status < 300 && is_json_object(reply->body);
        if (!is_answer) return handler(reply_problem(*reply, "a body that is no JSON object"));
        const int status = reply->status;
        handler(as_proxied(std::move(*reply), status));
    });
}

} // namespace prooftrack
