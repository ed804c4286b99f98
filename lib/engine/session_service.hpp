#pragma once

// Sessions and KYC: Proof's replies go back byte for byte, a session's only after its id is tracked durably.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "base/lifetime.hpp"
#include "base/task.hpp"
#include "engine/session_memory.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack::engine {

/// What the sessions need of the engine.
struct session_hooks {
    /// See tracking_calls::track_session.
    std::function<task<std::optional<api::problem>>(
        transaction_id, api::tracking_options, std::optional<store::digest> session)>
        track;
    /// A problem if these options could not be tracked now; called before the request to Proof.
    std::function<std::optional<api::problem>(const api::tracking_options&)> check;
    /// `next_wake` may have become earlier.
    std::function<void()> wake_changed;
    /// The wall time that claims are aged by: a clock that was set must not end one before its time.
    std::function<wall_time()> vouched_now;
};

/// Creates sessions on behalf of users. A session request is never repeated: a second one would be a second
/// transaction. The life of an Idempotency-Key: claimed durably before the request to Proof; released only when Proof
/// certainly made no session; else its outcome is the tracked id, or unknown until the key is pruned
/// (`store.retention`). While a key is busy, a second request with it waits for the first one's answer.
class session_service {
  public:
    session_service(
        const clock_source& clock, store::store& storage, observe::event_log& log, session_hooks hooks,
        session_memory_limits limits = {})
        : clock_(clock), store_(storage), log_(log), hooks_(std::move(hooks)), memory_(limits) {}
    lifetime::watch observe() const { return alive_.observe(); }

    void attach(proof::proof_client& proof) { proof_ = &proof; }
    task<api::outcome<api::proxied_reply>> create(api::session_request request);
    task<api::outcome<api::proxied_reply>> kyc_status(std::string partner_user_id);

    /// When the next kept answer expires.
    std::optional<steady_time> next_wake() const { return memory_.next_wake(); }
    void on_wake(instant now) { memory_.forget_old(now.steady); }
    const session_memory& kept() const { return memory_; }

  private:
    /// An Idempotency-Key and the request that it stands for.
    struct session_key {
        store::digest key{};
        store::digest body{};
    };
    struct busy_key {
        store::digest body{};
        std::vector<api::backend_handler<api::proxied_reply>>
            joined; ///< requests with the same key that came meanwhile
    };
    class busy_guard;

    task<api::outcome<api::proxied_reply>> create_with(session_key key, api::session_request request);
    task<api::outcome<api::proxied_reply>> join(store::digest key);
    task<std::optional<api::problem>> claim(session_key key);
    task<api::outcome<api::proxied_reply>> ask(
        std::optional<session_key> key, std::string body, api::tracking_options options);
    task<> release(std::optional<session_key> key);
    task<api::outcome<api::proxied_reply>> track(std::optional<session_key> key, untracked_session made);
    void keep(const std::optional<session_key>& key, kept_answer answer);

    const clock_source& clock_;
    store::store& store_;
    observe::event_log& log_;
    session_hooks hooks_;
    proof::proof_client* proof_ = nullptr;
    std::map<store::digest, busy_key> busy_;
    session_memory memory_;
    /// Keys that Proof refused and the store could not release: a request with such a key is not answered as an unknown
    /// outcome.
    std::set<store::digest> unreleased_;
    lifetime alive_;
};

} // namespace prooftrack::engine
