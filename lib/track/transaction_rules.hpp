#pragma once

// What one answer means for one transaction. Pure: facts and an answer in, the next facts and the resulting event out.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "base/time.hpp"
#include "track/event.hpp"
#include "track/types.hpp"

namespace prooftrack::track {

/// The times of `[poll]`, see conf/prooftrackd.toml.
struct poll_rules {
    std::pair<milliseconds, milliseconds> interval{5'000, 10'000};
    std::pair<milliseconds, milliseconds> backoff{5'000, 300'000};
    milliseconds not_found_grace{std::chrono::minutes(15)};
    milliseconds tail_interval{std::chrono::hours(1)};
    milliseconds give_up_after{std::chrono::days(30)}; ///< 0 = never
    std::vector<milliseconds> verify_after{std::chrono::minutes(10), std::chrono::minutes(65)};
};

/// A verification that meets only errors is given up after at least this many attempts, and not before `overdue_after`
/// has passed since its time: an outage must not hide a payment. One on a user's demand ends after the attempts.
inline constexpr std::uint32_t most_verification_errors = 10;

/// The time by which an answer is judged.
struct judging_time {
    wall_time now{};  ///< what is noted as the time of this
    wall_time sure{}; ///< deadlines before it have certainly passed: earlier than `now` while the clock is in doubt
    bool is_vouched = true;                                 ///< `now` may be counted from later
    judging_time(wall_time both) : now(both), sure(both) {} // NOLINT(google-explicit-constructor): mostly they are one
    /// Nothing is noted as of before what is certain, or it would be old at once.
    judging_time(wall_time noted, wall_time certain, bool vouched)
        : now(std::max(noted, certain)), sure(certain), is_vouched(vouched) {}
};

/// What the answer leaves behind.
struct judgement {
    enum class next_poll : std::uint8_t {
        in_band, ///< the usual cadence
        backoff, ///< an error of this transaction
        tail,    ///< every tail_interval
        planned, ///< at the next time of verify_after (or the tail, whichever is first)
        never,   ///< leaves the schedule
    };
    tracking_facts facts;
    next_poll next = next_poll::in_band;
    bool is_change = false;       ///< a new state or status: a history row
    bool must_save = false;       ///< facts differ in what has to survive, without history
    bool keeps_reply = false;     ///< the reply becomes the last good one
    bool is_error = false;        ///< counts in consecutive_errors
    bool is_downgrade = false;    ///< a non-terminal word after settling
    bool is_unknown_word = false; ///< to be logged and counted once a word
    std::optional<event_type> event;
    std::string previous_status; ///< with an event
};

/// `answer.status` is set for `good`; for `unchanged` the known status counts. `errors_before` is the number of errors
/// in a row until now. `is_own_denial`: a 401 or 403 is this transaction's, others are answered.
judgement judge_answer(
    const tracking_facts& facts, const poll_answer& answer, judging_time time, std::uint32_t errors_before,
    const poll_rules& rules, bool is_own_denial = false);

/// The transition to `overdue` when its time has come; nullopt when it has not, or the state does not go there.
std::optional<judgement> judge_overdue(const tracking_facts& facts, judging_time time);

/// The facts with all their times put forward by so much.
tracking_facts move_times(tracking_facts facts, milliseconds by);

/// The facts without times that cannot be by a clock that is right (in its future, or before the tracking began): a
/// wrong one wrote them. What lasts keeps its length and begins now. nullopt when there are none.
std::optional<tracking_facts> without_impossible(const tracking_facts& facts, wall_time now);

/// A user's `DELETE`; nullopt when it ended already.
std::optional<judgement> judge_untrack(const tracking_facts& facts);

/// When a settled transaction is polled next; nullopt = never again.
std::optional<wall_time> next_verification(const tracking_facts& facts, wall_time now, const poll_rules& rules);

/// A wait drawn from the band, kept 1 % of its width off both edges so that the clock's grain never leads over one.
steady_duration draw_interval(const std::pair<milliseconds, milliseconds>& band, random_source& random);

/// The wait after the n-th error in a row (n from 1): first, doubled each time, up to 20 % more at random, never over
/// the longest.
steady_duration draw_backoff(
    const std::pair<milliseconds, milliseconds>& backoff, std::uint32_t errors, random_source& random);

} // namespace prooftrack::track
