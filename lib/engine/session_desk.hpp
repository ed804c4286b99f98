#pragma once

// Sessions and KYC: Proof's replies go back byte for byte, a session's only after its id is tracked durably.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/backend.hpp"
#include "base/clock.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"

namespace prooftrack {

/// Replies of keyed sessions that are kept in memory: the newest, for at most an hour. They hold an init_token, so
/// never on the disk.
inline constexpr std::size_t most_kept_sessions = 10'000;
inline constexpr std::chrono::hours session_memory{1};

/// Creates sessions on behalf of users. A session request is never repeated: a second one would be a second
/// transaction.
class session_desk {
  public:
    /// Makes the id durable and begins to track it. `session` is the claimed key, if there was one.
    using track_call = std::function<void(transaction_id, tracking_options, std::optional<digest> session,
                                          unique_function<void(std::optional<problem>)>)>;
    /// A problem if these options could not be tracked; asked before Proof is.
    using check_call = std::function<std::optional<problem>(const tracking_options&)>;

    session_desk(const clock_source& clock, store& remembered, event_log& log, track_call track, check_call check)
        : clock_(clock), store_(remembered), log_(log), track_(std::move(track)), check_(std::move(check)) {}

    void attach(proof_client& proof) { proof_ = &proof; }
    void create(session_request request, backend_handler<proxied_reply> handler);
    void kyc_status(const std::string& partner_user_id, backend_handler<proxied_reply> handler);

  private:
    using handler_list = std::vector<backend_handler<proxied_reply>>;
    struct kept_session {
        digest body{};
        steady_time until{};
        std::optional<proxied_reply> reply; ///< nullopt while Proof is asked
        handler_list joined;                ///< who asked with the same key meanwhile
    };

    void claim(session_request request, digest key, digest body, backend_handler<proxied_reply> handler);
    void ask(session_request request, std::optional<digest> key, backend_handler<proxied_reply> handler);
    void on_reply(op_result<proof_reply> reply, tracking_options options, std::optional<digest> key,
                  backend_handler<proxied_reply> handler);
    void finish(const std::optional<digest>& key, outcome<proxied_reply> result,
                backend_handler<proxied_reply> handler);
    void forget_old();

    const clock_source& clock_;
    store& store_;
    event_log& log_;
    track_call track_;
    check_call check_;
    proof_client* proof_ = nullptr;
    std::map<digest, kept_session> kept_;
    std::deque<digest> kept_order_; ///< oldest first
};

} // namespace prooftrack
