#include "engine/session_service.hpp"

#include <utility>

#include "engine/digests.hpp"
#include "engine/problems.hpp"
#include "engine/session_text.hpp"

namespace prooftrack::engine {
namespace {

/// So many failed releases are remembered; the key of one more has an unknown outcome, as after a restart.
constexpr std::size_t most_unreleased = 10'000;
constexpr std::string_view no_id = "no usable merchant_transaction_id";

/// Any success of Proof's is answered 201 (lib/api/openapi.json); other statuses pass as they are.
int session_status(int status) { return status >= 200 && status < 300 ? 201 : status; }

api::proxied_reply as_proxied(proof::proof_reply reply, int status) {
    return api::proxied_reply{
        status, std::move(reply.content_type), std::move(reply.body), std::move(reply.request_id)};
}

api::problem key_reused() {
    return refuse(
        api::problem_code::idempotency_key_reused, "this Idempotency-Key was used with another body: take a new key");
}

api::problem outcome_unknown() {
    return refuse(
        api::problem_code::session_outcome_unknown,
        "Proof was asked under this key and no definite answer came: whether a session exists is not known, "
        "and none is made under this key any more; take a new key");
}

api::problem session_replayed(std::string transaction) {
    api::problem replayed = refuse(
        api::problem_code::session_replayed,
        "this key's session exists, but its secret part is not kept (any more): take a new key");
    replayed.members.push_back(api::problem_member::text("merchant_transaction_id", std::move(transaction)));
    return replayed;
}

api::problem with_unknown_session(api::problem failed) {
    failed.detail += "; whether Proof made a session is not known";
    return failed;
}

} // namespace

/// Keeps a key busy. Destroyed without `finish`, because the request ends early, it frees the key in memory and drops
/// its waiters unanswered. The claim in the store stays: it prevents a second request to Proof.
class session_service::busy_guard {
  public:
    busy_guard(session_service& service, const session_key& key)
        : service_(service), owner_(service.observe()), key_(key.key) {
        service_.busy_.emplace(key_, busy_key{key.body, {}});
    }
    busy_guard(const busy_guard&) = delete;
    busy_guard& operator=(const busy_guard&) = delete;
    ~busy_guard() {
        if (!is_finished_ && owner_) service_.busy_.erase(key_);
    }

    /// Answers the requests that joined. The key is free before any of them can be repeated.
    void finish(const api::outcome<api::proxied_reply>& result) {
        is_finished_ = true;
        auto busy = service_.busy_.extract(key_);
        for (auto& joined : busy.mapped().joined) joined(result);
    }

  private:
    session_service& service_;
    lifetime::watch owner_;
    store::digest key_;
    bool is_finished_ = false;
};

task<api::outcome<api::proxied_reply>> session_service::create(api::session_request request) {
    if (request.idempotency_key) {
        const session_key key{sha256(*request.idempotency_key), sha256(request.whole_body)};
        auto answer = co_await create_with(key, std::move(request));
        co_return answer;
    }
    if (auto refused = hooks_.check(request.options)) co_return std::move(*refused);
    auto answer = co_await ask(std::nullopt, std::move(request.body), std::move(request.options));
    co_return answer;
}

task<api::outcome<api::proxied_reply>> session_service::create_with(session_key key, api::session_request request) {
    if (const auto busy = busy_.find(key.key); busy != busy_.end()) {
        if (busy->second.body != key.body) co_return key_reused();
        auto answer = co_await join(key.key);
        co_return answer;
    }
    std::optional<untracked_session> made;
    if (const auto* kept = memory_.find(key.key, clock_.now().steady)) {
        if (kept->body != key.body) co_return key_reused();
        if (const auto* reply = std::get_if<kept_reply>(&kept->answer)) co_return reveal_reply(*reply);
        if (const auto* refused = std::get_if<api::problem>(&kept->answer)) co_return *refused;
        made = std::get<untracked_session>(kept->answer);
        memory_.forget(key.key);
    } else if (auto refused = hooks_.check(request.options)) {
        co_return std::move(*refused);
    }
    busy_guard busy(*this, key);
    api::outcome<api::proxied_reply> answer;
    std::optional<api::problem> unclaimed;
    if (!made) unclaimed = co_await claim(key);
    if (unclaimed) {
        answer = std::move(*unclaimed);
    } else if (made) {
        answer = co_await track(key, std::move(*made));
    } else {
        answer = co_await ask(key, std::move(request.body), std::move(request.options));
    }
    busy.finish(answer);
    co_return answer;
}

task<api::outcome<api::proxied_reply>> session_service::join(store::digest key) {
    auto wait = [this, key](api::backend_handler<api::proxied_reply> handler) {
        busy_.at(key).joined.push_back(std::move(handler));
    };
    auto answer = co_await call<api::outcome<api::proxied_reply>>(wait);
    co_return answer;
}

/// nullopt: recorded now, the request may go to Proof.
task<std::optional<api::problem>> session_service::claim(session_key key) {
    if (unreleased_.contains(key.key)) {
        const auto released = co_await call(store_, &store::store::release_session, key.key);
        if (!released) co_return store_problem(released.error());
        unreleased_.erase(key.key);
    }
    const wall_time now = hooks_.vouched_now();
    auto claimed = co_await call(store_, &store::store::claim_session, key.key, key.body, now);
    if (!claimed) co_return store_problem(claimed.error());
    switch (claimed->what) {
    case store::session_claim::verdict::fresh:
        co_return std::nullopt;
    case store::session_claim::verdict::other_body:
        co_return key_reused();
    case store::session_claim::verdict::outcome_unknown:
        break;
    case store::session_claim::verdict::done:
        co_return session_replayed(std::move(claimed->transaction));
    }
    co_return outcome_unknown();
}

task<api::outcome<api::proxied_reply>> session_service::ask(
    std::optional<session_key> key, std::string body, api::tracking_options options) {
    proof::proof_call request{proof::proof_call::method_kind::post, "/widget/session", std::move(body)};
    proof::proof_client& proof = *proof_;
    auto reply = co_await call(proof, &proof::proof_client::call, std::move(request));
    if (!reply) {
        if (proof::may_have_reached_proof(reply.error())) co_return with_unknown_session(call_problem(reply.error()));
        co_await release(key);
        co_return call_problem(reply.error());
    }
    session_reading reading = read_session_reply(*reply);
    if (reading.outcome == session_outcome::unknown) co_return with_unknown_session(reply_problem(*reply, no_id));
    if (reading.outcome == session_outcome::refused) {
        co_await release(key);
        co_return reply_problem(*reply, no_id);
    }
    const int status = session_status(reply->status);
    untracked_session made{
        std::move(*reading.id), std::move(options), keep_secret(as_proxied(std::move(*reply), status))};
    auto answer = co_await track(key, std::move(made));
    co_return answer;
}

/// The key stays busy until it is free in the store too: who comes in between joins instead of finding the claim.
task<> session_service::release(std::optional<session_key> key) {
    if (!key) co_return;
    const store::digest released_key = key->key;
    const auto released = co_await call(store_, &store::store::release_session, released_key);
    if (!released && unreleased_.size() < most_unreleased) unreleased_.insert(released_key);
}

task<api::outcome<api::proxied_reply>> session_service::track(std::optional<session_key> key, untracked_session made) {
    const std::optional<store::digest> claimed = key ? std::optional(key->key) : std::nullopt;
    auto refused = co_await hooks_.track(made.id, made.options, claimed);
    if (!refused) {
        api::proxied_reply answer = reveal_reply(made.reply);
        keep(key, std::move(made.reply));
        co_return answer;
    }
    refused->members.push_back(api::problem_member::text("merchant_transaction_id", made.id.str()));
    if (refused->code == api::problem_code::already_tracked) {
        refused->detail += "; this session is of that transaction, and its parameters are not given out";
        keep(key, *refused);
    } else {
        log_.write(
            observe::log_event_id::store_error, {{"operation", "track a new session's id"},
                                                 {"merchant_transaction_id", made.id.str()},
                                                 {"error", refused->detail}});
        keep(key, std::move(made));
    }
    co_return std::move(*refused);
}

void session_service::keep(const std::optional<session_key>& key, kept_answer answer) {
    if (!key) return;
    memory_.keep(key->key, key->body, std::move(answer), clock_.now().steady);
    hooks_.wake_changed();
}

task<api::outcome<api::proxied_reply>> session_service::kyc_status(std::string partner_user_id) {
    proof::proof_call request{proof::proof_call::method_kind::get, kyc_target(partner_user_id), ""};
    proof::proof_client& proof = *proof_;
    auto reply = co_await call(proof, &proof::proof_client::call, std::move(request));
    if (!reply) co_return call_problem(reply.error());
    const bool is_answer = reply->status >= 200 && reply->status < 300 && is_json_object(reply->body);
    if (!is_answer) co_return reply_problem(*reply, "a body that is no JSON object");
    const int status = reply->status;
    co_return as_proxied(std::move(*reply), status);
}

} // namespace prooftrack::engine
