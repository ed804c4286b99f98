#pragma once

// Sessions and KYC: Proof's replies go back byte for byte, a session's only after its id is tracked durably.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "engine/session_memory.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// What the sessions need of the engine.
struct session_hooks {
    /// Makes the id durable and begins to track it. `session` is the claimed key, if there was one. `already_tracked`
    /// when it is tracked with other options: then nothing was changed, and the key remembers its outcome.
    std::function<void(transaction_id, tracking_options, std::optional<digest> session,
                       unique_function<void(std::optional<problem>)>)>
        track;
    /// A problem if these options could not be tracked now; called before Proof is asked.
    std::function<std::optional<problem>(const tracking_options&)> check;
    /// `next_wake` may have become earlier.
    std::function<void()> wake_changed;
    /// The wall time that claims are aged by: a clock that was set must not end one before its time.
    std::function<wall_time()> vouched_now;
};

/// Creates sessions on behalf of users. A session request is never repeated: a second one would be a second
/// transaction. The life of an Idempotency-Key: claimed durably before Proof is asked; released only when Proof
/// certainly made no session; else its outcome is the tracked id, or unknown for ever.
class session_desk {
  public:
    session_desk(const clock_source& clock, store& remembered, event_log& log, session_hooks hooks,
                 session_memory_limits limits = {})
        : clock_(clock), store_(remembered), log_(log), hooks_(std::move(hooks)), memory_(limits) {}

    void attach(proof_client& proof) { proof_ = &proof; }
    void create(session_request request, backend_handler<proxied_reply> handler);
    void kyc_status(const std::string& partner_user_id, backend_handler<proxied_reply> handler);

    /// When kept answers have to be let go of.
    std::optional<steady_time> next_wake() const { return memory_.next_wake(); }
    void on_wake(instant now) { memory_.forget_old(now.steady); }
    const session_memory& kept() const { return memory_; }

  private:
    /// A request on its way, handed from step to step.
    struct job {
        std::string sent; ///< to Proof
        tracking_options options;
        std::optional<digest> key;
        digest body{}; ///< with a key
        backend_handler<proxied_reply> handler;
    };
    struct busy_key {
        digest body{};
        std::vector<backend_handler<proxied_reply>> joined; ///< who asked with the same key meanwhile
    };

    // The steps, in their order.
    void answer_kept(job asked, const session_memory::entry& kept);
    void claim(job asked);
    void on_claimed(job asked, op_result<session_claim> claimed);
    void ask(job asked);
    void on_reply(job asked, op_result<proof_reply> reply);
    void track(job asked, untracked_session made);
    void on_tracked(job asked, untracked_session made, std::optional<problem> refused);
    void release(job asked, problem refused);
    void finish(job asked, outcome<proxied_reply> result);
    void keep(const job& asked, kept_answer answer);

    const clock_source& clock_;
    store& store_;
    event_log& log_;
    session_hooks hooks_;
    proof_client* proof_ = nullptr;
    std::map<digest, busy_key> busy_;
    session_memory memory_;
    /// Keys that Proof refused and the store could not release: their claims are no unknown outcomes.
    std::set<digest> unreleased_;
};

} // namespace prooftrack
