#pragma once

// Proof's health, shared by all transactions: whether polls may go now, and when a probe goes out.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

enum class health_kind : std::uint8_t {
    ok,
    throttled,    ///< 429: all polls pause, then a slow start
    unauthorized, ///< 401 for all: only a probe, until the token changes
    forbidden,    ///< 403 for all: only a probe, until Proof's allowlist changes
    unreachable,  ///< replies stopped coming for all: only a probe
};
std::string_view to_string(health_kind kind);

/// What all polls may do now.
enum class poll_permit : std::uint8_t { none, probe, free };

/// What one answer changed for all polls.
struct health_effect {
    bool is_change = false;         ///< kind() is another one now
    bool wants_token = false;       ///< read the token again, at once
    bool begins_slow_start = false; ///< after a pause or an outage; the pause, if any, ends at pause_end()
};

/// What is known of the poll that an answer belongs to.
struct answer_context {
    steady_time started{};     ///< when its request was written
    bool is_probe = false;     ///< the one probe in flight
    bool is_evidence = false;  ///< a failure of it counts for an outage (outage_watch)
    bool concerns_all = false; ///< and now it is an outage
    bool is_first_401 = false; ///< of the run of failures under way
};

/// Rules: a 429 pauses all polls for Retry-After (without one: 1 s, doubled each time, at most 60 s). Refusals and
/// failures concern all polls when `outage_watch` says so: then there is one probe every `probe_interval` after a 401
/// or 403, or one after 1 s, doubled to 30 s as the outage lasts. The first 401 of a run asks for the token to be read
/// again, at once. Answers of polls that started before a change do not undo it. A pause outlasts an outage. Another
/// daemon's pause is kept like an own one; whether there is an outage each daemon finds by itself.
class proof_health {
  public:
    explicit proof_health(milliseconds probe_interval) : probe_interval_(probe_interval) {}

    health_kind kind() const { return kind_; }
    wall_time since() const { return since_; }
    const std::string& detail() const { return detail_; }
    /// For people, "" = all is well: "not asked yet", or why Proof does not answer, with its own error. May hold text
    /// that belongs on no log line.
    std::string standing() const;
    steady_time pause_end() const { return pause_end_; }

    poll_permit permit(steady_time now) const;
    /// The next time at which the permit gets wider by itself.
    std::optional<steady_time> next_permit(steady_time now) const;
    void on_probe_started() { is_probing_ = true; }

    /// `what` after the burst rule.
    health_effect on_answer(const poll_answer& answer, reply_class what, const answer_context& context, instant now);
    /// Another daemon was answered 429, and so much (at most 15 min) of its pause is left. Nothing if ours is longer.
    health_effect on_throttled_elsewhere(milliseconds pause, instant now);
    /// A refusal of the previous token: it says nothing about the present one.
    bool is_stale_refusal(reply_class what, steady_time started) const {
        return what == reply_class::unauthorized && started < token_changed_at_;
    }
    /// A token that differs from the one before is in use: probe at once.
    void on_token_changed(steady_time now);
    /// The slow start is over: throttled becomes ok. True when that was a change.
    bool on_full_speed(wall_time now);
    void set_probe_interval(milliseconds interval) { probe_interval_ = interval; }
    /// True while no reply says anything about a single transaction: unauthorized, forbidden or unreachable.
    bool is_unwell() const;

  private:
    /// A pause after a 429 holds for probes as well.
    steady_time probe_time() const { return std::max(probe_at_, pause_end_); }
    health_effect change(health_kind kind, std::string detail, instant now);
    health_effect on_alive(steady_time started, instant now);
    health_effect on_throttled(const poll_answer& answer, steady_time started, instant now);
    health_effect on_failed(health_kind kind, const poll_answer& answer, const answer_context& context, instant now);
    void plan_probe(steady_time now);

    milliseconds probe_interval_;
    health_kind kind_ = health_kind::ok;
    wall_time since_{};
    std::string detail_;
    bool has_answered_ = false; ///< about a transaction, ever
    std::string latest_error_;  ///< of the answer that came last; "" = it was none
    std::string latest_message_;
    steady_time changed_at_{};
    steady_time pause_end_{};
    std::string pause_error_; ///< what began the pause
    milliseconds next_pause_{1'000};
    steady_time probe_at_{};
    bool is_probing_ = false;
    steady_time token_changed_at_{};
};

} // namespace prooftrack::track
