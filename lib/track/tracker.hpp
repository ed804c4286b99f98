#pragma once

// The core: every decision about which id to poll, when, and what an answer means. Events go in, actions come out; no
// I/O, no clock and no random of its own.

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/unordered/unordered_flat_map.hpp>

#include "base/random.hpp"
#include "base/shards.hpp"
#include "base/time.hpp"
#include "track/clock_skew.hpp"
#include "track/due_heap.hpp"
#include "track/outage_watch.hpp"
#include "track/polls_at_once.hpp"
#include "track/proof_health.hpp"
#include "track/rate_control.hpp"
#include "track/reply_window.hpp"
#include "track/transaction_rules.hpp"
#include "track/transaction_table.hpp"
#include "track/types.hpp"
#include "track/vouched_clock.hpp"

namespace prooftrack::track {

/// Most changes on their way to the store: with so many nothing more is polled, because a slow disk would only make the
/// queue longer, and API calls wait behind it (a first reply of an import of 1 M is a change each). The
/// answers that are in flight at that moment come on top.
inline constexpr std::size_t most_unrecorded = 4'000;

/// Names one change on its way to the store: a result finds its own change, whatever has become of the slot.
enum class change_number : std::uint64_t {};

struct tracker_options {
    poll_rules rules;
    std::uint32_t max_rate = 0; ///< polls a second, 0 = no ceiling
    milliseconds probe_interval{30'000};
};

// What happens to the core.

/// A transaction is durable and gets its first poll. `once`: it is polled once and then leaves again (a settled or
/// abandoned one). Others of a shard that was let go are another daemon's: ignored.
struct tracked_event {
    active_transaction transaction;
    bool once = false;
};
/// At start, before `started_event`: the longest unseen first. With `within` while running: what another daemon polled
/// until now. Each gets its first poll at a random time within it, but not sooner after the last known poll than the
/// cadence allows; those that are wanted come first. A row that is in memory stays, with the newer one of both facts;
/// its shard is not let go any more.
struct loaded_event {
    std::vector<active_transaction> transactions;
    std::optional<milliseconds> within{};
};
/// These shards are this daemon's (again), also those of which nothing is loaded: none of their rows leaves.
struct held_event {
    shard_set shards;
};
/// Other daemons get these shards. Their rows that wait are forgotten at once, those in flight or recording when that
/// has ended. `keep_facts`: a `save_action` has what is forgotten, now and later.
struct let_go_event {
    shard_set shards;
    bool keep_facts = false;
};
/// Another daemon has changed the stored row (or added it): this is it now. Older than what memory has: ignored.
struct refreshed_event {
    active_transaction transaction;
};
/// All are loaded: the polls are spread over one interval.
struct started_event {};
struct answered_event {
    poll_ticket ticket;
    poll_answer answer;
};
/// What became of a `change_action`.
enum class record_result : std::uint8_t {
    durable, ///< the row is as the change says
    refused, ///< it could not be written (disk full): nothing has changed, Proof is polled again
    stale,   ///< the stored row is not the one that the change was judged for, so nothing was written
};
struct recorded_event {
    std::uint32_t slot = 0;
    change_number number{};
    record_result result = record_result::refused;
    row_revision revision{}; ///< of the row now, when `durable`
};
/// The answer to a `reload_action`: the row as it is stored now; nullopt = it is gone.
struct reloaded_event {
    std::uint32_t slot = 0;
    change_number number{};
    std::optional<active_transaction> transaction;
};
/// A user ends the tracking. Requires a row that `may_untrack`.
struct untracked_event {
    row_ref row;
};
/// The stored row got a new revision by a change that left its facts as they are: its options are other ones.
struct revised_event {
    row_ref row;
    row_revision from{}; ///< in memory only a row of this one gets the new one
    row_revision to{};
};
/// A hint or a user's wish: poll it within a second.
struct poll_wanted_event {
    row_ref row;
};
struct token_changed_event {};
/// Proof has answered another daemon 429, and so much of its pause is left: the same holds here.
struct throttled_elsewhere_event {
    milliseconds pause{0};
};
/// Time has passed; due whenever `next_wake` says so, and about once a second.
struct woken_event {
    bool is_withheld = false; ///< nobody may take polls now: what is due is not behind, and the rate does not grow
};
/// Wall, steady and boot time disagree: the machine slept or its clock was set.
struct clock_jumped_event {
    milliseconds set_by{0}; ///< the wall clock was put forward (or back) by so much
};
struct options_changed_event {
    tracker_options options;
};
/// An operator's maintenance begins or ends; what it is already changes nothing. While it is on nothing is polled (no
/// probe, no verification, no hint) and no deadline passes; what is in flight ends normally. `since` is when it began:
/// at a start with maintenance on that is before this life.
struct maintenance_event {
    bool is_on = false;
    wall_time since{};
};

using tracker_event = std::variant<
    tracked_event, loaded_event, held_event, let_go_event, refreshed_event, started_event, answered_event,
    recorded_event, reloaded_event, untracked_event, revised_event, poll_wanted_event, token_changed_event,
    throttled_elsewhere_event, woken_event, clock_jumped_event, options_changed_event, maintenance_event>;

// What the core wants done.

/// Record this change, if the stored row still has this revision; answer with a `recorded_event`. Until then the row is
/// not polled and shows its old facts.
struct change_action {
    std::uint32_t slot = 0;
    change_number number{};
    row_revision revision{}; ///< of the row that the change was judged for
    transaction_id id;
    wall_time at{};
    tracking_state from_state = tracking_state::tracking;
    std::string from_status;
    tracking_facts facts;
    bool is_history = true;
    std::string reply;
    bool reply_is_good = false;
    std::string request_id;
    std::optional<event_type> event;
    std::string previous_status;
    std::optional<wall_time> updated_at; ///< Proof's, for the detection time
};
/// The row of this change is another one in the store: load it, and answer with a `reloaded_event`.
struct reload_action {
    std::uint32_t slot = 0;
    change_number number{};
    transaction_id id;
};
/// Store these facts, as at a clean stop: their rows have left memory (`let_go_event`).
struct save_action {
    std::vector<active_transaction> transactions;
};
/// Read the token file again now; answer with a `token_changed_event` if it differs.
struct reread_token_action {};
/// Proof's health is another one.
struct health_action {
    health_kind from = health_kind::ok;
    health_kind to = health_kind::ok;
    std::string detail;
    milliseconds pause{0}; ///< throttled: how long nothing is polled
    std::string request_id;
};
/// A poll met an error of its transaction.
struct poll_error_action {
    std::string id;
    reply_class what = reply_class::no_reply;
    std::string error;
    std::uint32_t errors_in_row = 0;
    std::string request_id;
};
/// An unknown status, or a non-terminal status after settling.
struct odd_status_action {
    std::string id;
    std::string status;
    std::string word;
    bool is_downgrade = false;
    std::string request_id;
};
/// More polls are due than can be made.
struct behind_action {
    double wanted = 0; ///< polls a second
    double made = 0;
    milliseconds oldest_due{0};
    capacity_facts facts;
};
struct clock_skew_action {
    milliseconds skew{0};
};
/// 400s or 404s for many ids at once began or ended: they are not held against the ids.
struct burst_action {
    bool has_begun = false;
};

using tracker_action = std::variant<
    change_action, reload_action, save_action, reread_token_action, health_action, poll_error_action, odd_status_action,
    behind_action, clock_skew_action, burst_action>;

/// A poll that starts now.
struct started_poll {
    poll_ticket ticket;
    steady_duration lateness{}; ///< behind its due time
};

/// What memory knows beyond the stored row.
struct live_transaction {
    tracking_facts facts;
    std::optional<wall_time> next_poll_at;
    std::uint32_t consecutive_errors = 0;
    std::string last_error;
    bool is_recording = false;
};

/// Ten full connections of HTTP/2: a server that ends takes all of its own along.
inline constexpr double most_saved_repeats = 1000;

/// Invariants: each row is in exactly one of: the schedule, the queue of hints, in flight, recording. One poll in
/// flight an id. (An untracking may be recording while the poll that it met is still in flight: its answer is dropped.)
/// A row's facts change only when the change is durable.
class tracker {
  public:
    tracker(tracker_options options, random_source& random);

    /// Takes one event; appends what it wants done.
    void step(tracker_event event, instant now, std::vector<tracker_action>& actions);

    /// The poll that may start now, longest due first; nullopt = none (yet).
    std::optional<started_poll> next_poll(instant now);
    /// Whether `next_poll` would give one.
    bool has_poll(instant now);
    /// A connection broke before a reply began: may the poll be repeated at once? At most 10 % of polls are repeats,
    /// but unused ones are saved up to `most_saved_repeats`: a connection of HTTP/2 breaks under many polls at once.
    bool may_repeat();

    /// When something is due that is not due yet; nullopt = never.
    std::optional<steady_time> next_wake(instant now);

    /// The id's row; nullopt also for one that has ended and only waits for the answer in flight. Whoever names a row
    /// that has gone meanwhile, here or in an event, broke a rule: throws std::logic_error.
    std::optional<row_ref> find(std::string_view id) const;
    /// The change that the row is recording. Requires `is_recording`.
    change_number recording_change(row_ref row) const;
    live_transaction live(row_ref named, instant now) const;
    /// Whether a DELETE would end it: not settled, and no change on its way.
    bool may_untrack(row_ref named) const;
    /// Of the stored row that the facts in memory are of.
    row_revision revision(row_ref row) const { return table_.at(slot_of(row)).revision; }
    bool is_recording(row_ref row) const { return table_.at(slot_of(row)).phase == row_phase::recording; }

    /// Every watched row as it has to be stored at a clean stop.
    std::vector<active_transaction> all(instant now) const;

    std::uint8_t shard_of(row_ref row) const { return static_cast<std::uint8_t>(table_.at(slot_of(row)).shard); }
    /// Rows of these shards in memory, also those that only wait for their end.
    std::size_t count_in(const shard_set& shards) const;

    /// What the wall clock's time is by Proof's `Date` and the steady clock.
    wall_time vouched(wall_time wall) const { return clock_.at(wall); }

    /// Maintenance is on.
    bool is_held() const { return is_held_; }
    std::size_t size() const { return table_.size(); }
    /// Without those that have ended and are polled again for `verify_after` alone.
    std::size_t open() const { return table_.size() - table_.count(tracking_state::settled); }
    std::size_t in_flight() const { return in_flight_; }
    std::size_t recording() const { return pending_.size(); }
    bool awaits_store() const { return pending_.size() >= most_unrecorded; }
    const proof_health& health() const { return health_; }
    milliseconds skew() const { return skew_.latest(); }
    steady_duration oldest_due(instant now) const;
    /// What ended before this, less the retention, may be pruned; nullopt while nothing is known about the clock.
    std::optional<wall_time> time_to_prune_by(instant now) const;
    /// Polls a second that the cadences want.
    double wanted_rate() const;
    double made_rate() const { return made_rate_; }
    /// Polls in flight at once so that each starts when it is due, see track/polls_at_once.hpp.
    std::size_t needed_at_once(instant now);
    /// For the simulation: throws std::logic_error when an invariant is broken.
    void check_invariants() const;

  private:
    struct pending_change {
        judgement verdict;
        change_number number{};
        std::uint64_t body_hash = 0;
        bool is_lazy = false;
        bool was_moved = false;    ///< takes along times that were mended
        bool is_reloading = false; ///< refused as stale: the row is being loaded again
        bool is_outdated = false;  ///< another daemon has changed the row, as it said: to be loaded, also if refused
    };

    std::uint32_t slot_of(row_ref row) const;
    std::optional<active_transaction> to_save(std::uint32_t slot, instant now) const;

    void on(tracked_event event, instant now, std::vector<tracker_action>& actions);
    void on(loaded_event event, instant now, std::vector<tracker_action>& actions);
    void on(held_event event, instant now, std::vector<tracker_action>& actions);
    void on(let_go_event event, instant now, std::vector<tracker_action>& actions);
    void on(refreshed_event event, instant now, std::vector<tracker_action>& actions);
    void on(started_event event, instant now, std::vector<tracker_action>& actions);
    void on(answered_event event, instant now, std::vector<tracker_action>& actions);
    void on(recorded_event event, instant now, std::vector<tracker_action>& actions);
    void on(reloaded_event event, instant now, std::vector<tracker_action>& actions);
    void on(untracked_event event, instant now, std::vector<tracker_action>& actions);
    void on(revised_event event, instant now, std::vector<tracker_action>& actions);
    void on(poll_wanted_event event, instant now, std::vector<tracker_action>& actions);
    void on(token_changed_event event, instant now, std::vector<tracker_action>& actions);
    void on(throttled_elsewhere_event event, instant now, std::vector<tracker_action>& actions); // tracker_answers.cpp
    void on(woken_event event, instant now, std::vector<tracker_action>& actions);
    void on(clock_jumped_event event, instant now, std::vector<tracker_action>& actions);
    void on(options_changed_event event, instant now, std::vector<tracker_action>& actions);
    void on(maintenance_event event, instant now, std::vector<tracker_action>& actions); // tracker_maintenance.cpp

    // tracker_schedule.cpp
    void schedule(std::uint32_t slot, judgement::next_poll next, instant now);
    void wait_until(std::uint32_t slot, steady_time due);
    void want_now(std::uint32_t slot, instant now);
    void leave_queues(std::uint32_t slot);
    void remember_start(const transaction_row& row);
    void erase(std::uint32_t slot);
    void begin_tracking(std::uint32_t slot, instant now);
    void respread(instant now, bool is_start);
    void end_backoffs(instant now);
    void watch_deadline(std::uint32_t slot);
    void fire_deadlines(instant now, std::vector<tracker_action>& actions);
    enum class poll_reason : std::uint8_t {
        due,
        probe, ///< Proof refuses or fails all polls: is it over?
        early, ///< some were refused or failed: does it concern all?
        fresh, ///< never polled before, during an outage
    };
    struct poll_choice {
        std::uint32_t slot = 0;
        poll_reason reason = poll_reason::due;
    };
    std::optional<poll_choice> choose_poll(instant now, poll_permit permit);
    steady_time first_poll_time(instant now);
    void count_made_polls(instant now);
    void watch_capacity(bool is_withheld, instant now, std::vector<tracker_action>& actions);

    // tracker_clock.cpp
    void judge_clock(const poll_answer& answer, instant& now, std::vector<tracker_action>& actions);
    std::optional<tracking_facts> mend(
        const tracking_facts& facts, bool is_native, milliseconds moved, wall_time before, wall_time now) const;
    bool mend_times(std::uint32_t slot, milliseconds moved, wall_time before, instant now);
    static bool begin_age(tracking_facts& facts, instant now);
    static bool begin_age_at_load(tracking_facts& facts, instant now);
    bool is_to_be_saved(const transaction_row& row) const {
        return row.is_moved && clock_.level() != vouched_clock::trust::none;
    }
    /// Its first answer is recorded whatever it says, so that its age survives a crash.
    bool is_to_be_dated(const transaction_row& row, const poll_answer& answer) const {
        return row.is_native != 0 && row.is_age_stored == 0 && answer.what != reply_class::unchanged &&
               clock_.level() != vouched_clock::trust::none;
    }
    bool was_overdue_too_soon(const transaction_row& row, instant now) const;
    wall_time sure_time(const tracking_facts& facts, bool is_native, instant now) const;
    judging_time time_for(std::uint32_t slot, const tracking_facts& facts, instant now) const;

    // tracker_changes.cpp
    pending_change take_change(std::uint32_t slot);
    void keep_change(std::uint32_t slot, const pending_change& change, instant now);
    void give_up_change(std::uint32_t slot, instant now);
    void drop_change(std::uint32_t slot, instant now);
    void replace(std::uint32_t slot, const active_transaction& transaction, instant now);
    void leave(std::uint32_t slot, instant now);

    // tracker_shards.cpp
    void take_up(
        active_transaction transaction, milliseconds within, instant now, std::vector<tracker_action>& actions);
    void plan_taken_up(std::uint32_t slot, milliseconds within, instant now);
    void refresh(
        std::uint32_t slot, active_transaction transaction, milliseconds within, instant now,
        std::vector<tracker_action>& actions);
    void forget(std::uint32_t slot, instant now);
    bool is_leaving(std::uint32_t slot) const { return leaving_.test(table_.at(slot).shard); }
    void end_leaving(std::uint32_t slot, instant now, std::vector<tracker_action>& actions);
    void check_shards() const;

    // tracker_probes.cpp
    enum class look_for : std::uint8_t { probe, early };
    struct look {
        std::optional<std::uint32_t> slot;
        std::optional<steady_time> again; ///< none now: when there may be one
    };
    bool may_be_asked(std::uint32_t slot, look_for what) const;
    steady_time earliest_poll(std::uint32_t slot) const;
    look look_around(look_for what, instant now);
    std::optional<steady_time> wake_for(const look& found, instant now);
    look look_for_early(instant now);
    look look_for_probe(instant now);
    look look_for_fresh(instant now);
    void forget_asked(std::size_t most);
    void note_special_start(std::uint32_t slot, poll_reason reason, instant now);
    bool end_probe(const poll_ticket& ticket);

    // tracker_answers.cpp
    reply_class judge_burst(std::uint32_t slot, reply_class what, instant now, std::vector<tracker_action>& actions);
    void watch_burst(instant now, std::vector<tracker_action>& actions);
    void watch_fitness(wall_time now);
    void judge_health(
        std::optional<std::uint32_t> slot, bool is_probe, const poll_answer& answer, reply_class what, instant now,
        std::vector<tracker_action>& actions);
    void judge_failure(
        std::uint32_t slot, const poll_answer& answer, reply_class what, instant now, answer_context& context);
    void watch_outage(instant now, std::vector<tracker_action>& actions);
    void follow_health(
        const health_effect& effect, health_kind before, const std::string& request_id, instant now,
        std::vector<tracker_action>& actions);
    bool is_plain_repeat(const transaction_row& row, const poll_answer& answer, reply_class what, instant now) const;
    void note_error(
        std::uint32_t slot, const judgement& verdict, const poll_answer& answer, std::vector<tracker_action>& actions);
    void apply(
        std::uint32_t slot, judgement verdict, poll_answer answer, instant now, std::vector<tracker_action>& actions);
    void record(
        std::uint32_t slot, judgement verdict, poll_answer answer, bool is_lazy, instant now,
        std::vector<tracker_action>& actions);
    bool wants_lazy_store(const transaction_row& row, const poll_answer& answer, instant now) const;

    tracker_options options_;
    random_source& random_;
    transaction_table table_;
    shard_set leaving_;  ///< let go: what is not in flight or recording any more is forgotten
    shard_set saving_;   ///< of those: with its facts to the store
    due_heap due_;       ///< waiting rows by steady ns
    due_heap urgent_;    ///< waiting rows of hints and polls on demand, by steady ns; served first
    due_heap deadlines_; ///< rows in `tracking` by ms of overdue_at, in vouched time
    boost::unordered_flat_map<std::uint32_t, pending_change> pending_;
    boost::unordered_flat_map<std::string, std::int64_t, keyed_string_hash>
        just_left_; ///< last starts of about the last two seconds
    std::int64_t swept_at_ = INT64_MIN;
    std::uint64_t last_change_ = 0;
    std::size_t lazy_pending_ = 0;
    std::size_t in_flight_ = 0;
    polls_at_once at_once_;
    proof_health health_;
    outage_watch outage_;
    poll_answer last_failure_;    ///< what, error and request_id of the run's last one
    std::uint32_t token_run_ = 0; ///< the run of failures in which the token was to be read again
    std::optional<row_ref> last_answered_;
    std::optional<row_ref> probe_; ///< in flight: the probe, or the one early poll
    std::uint64_t probes_ = 0;
    std::uint32_t look_from_ = 0;
    std::deque<row_ref> fresh_; ///< never polled, in the order of their arrival
    steady_time fresh_at_{};
    steady_time early_at_{};
    rate_control rate_;
    reply_window window_;
    clock_skew skew_;
    vouched_clock clock_; ///< the wall times of the table and of all deadlines are its
    steady_time loaded_at_{};
    bool is_burst_ = false;
    bool is_held_ = false;         ///< maintenance is on
    steady_time deadlines_from_{}; ///< none passes earlier: after maintenance everybody is polled first
    std::optional<wall_time>
        unfit_since_; ///< a burst, Proof unwell, maintenance: time that counts towards no not_found_grace
    std::vector<std::string> seen_words_; ///< unknown words already reported, bounded
    double repeat_allowance_ = most_saved_repeats;
    steady_time first_poll_at_{};
    std::uint32_t polls_in_window_ = 0;
    steady_time window_start_{};
    double made_rate_ = 0;
    std::optional<steady_time> behind_since_;
    steady_time behind_said_at_{};
    bool behind_was_said_ = false;
};

} // namespace prooftrack::track
