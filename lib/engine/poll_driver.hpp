#pragma once

// Joins the core with Proof and the store: performs the tracker's actions, feeds answers and commits back as events.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "base/shards.hpp"
#include "engine/meters.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"
#include "track/clock_watch.hpp"
#include "track/tracker.hpp"

namespace prooftrack::engine {

/// Receives what has become durable. Implemented by the engine.
class poll_driver_listener {
  public:
    virtual ~poll_driver_listener() = default;
    /// In the order of the commits; the tracker knows already.
    virtual void on_recorded(const track::change_action& change, store::recorded_transition recorded) = 0;
    /// A 401: the token file has to be read again, now.
    virtual void on_token_wanted() = 0;
    /// Polls may be due, or the next due time may have changed: call `wake_due`.
    virtual void on_stepped() = 0;
};

/// Everything stays on the loop. `attach` comes before anything is polled.
class poll_driver final : public proof::poll_source {
  public:
    struct surroundings {
        const clock_source& clock;
        random_source& random;
        store::store& storage;
        observe::event_log& log;
        meters& counts;
        std::function<std::vector<std::string>(track::event_type)>
            selecting; ///< names of the callbacks that get such an event
        poll_driver_listener& listener;
    };

    poll_driver(track::tracker_options options, surroundings around)
        : tracker_(std::move(options), around.random), around_(std::move(around)) {}

    void attach(proof::proof_client& proof) { proof_ = &proof; }

    /// Passes an event to the core and performs the resulting actions.
    void step(track::tracker_event event);
    /// Notifies the core if the wall clock was set (rows may end or begin to be recorded), and returns the core. What
    /// the core permits then stays permitted for a `step_at_once` in the same turn of the loop.
    const track::tracker& follow_clock();
    /// As `step`, at the instant of `follow_clock`.
    void step_at_once(track::tracker_event event) { perform_step(std::move(event), followed_at_); }
    /// Ends the tracking of a row that is not in memory, because another node holds it: recorded, logged and reported
    /// as a change of the core is, bound to the revision. Requires that it has not ended.
    void end_stored(track::active_transaction row, unique_function<void(op_result<std::monostate>)> then);
    /// Runs `then` once the change that the row is recording has ended; with whether it is durable, store_error::stale
    /// if it was judged for another revision. Requires that the row is recording.
    void after_change(track::row_ref row, unique_function<void(op_result<std::monostate>)> then);
    /// Time has passed: as of track::woken_event.
    void on_wake() { step(track::woken_event{!may_poll()}); }
    /// No polls are given out any more; commits are still taken.
    void stop_polling() { is_stopped_ = true; }

    /// Wakes the connections if polls are due; when the next thing is. One `now` for both: what becomes due between
    /// two readings of the clock would be seen by neither.
    std::optional<steady_time> wake_due(instant now);
    const track::tracker& core() const { return tracker_; }
    /// The time that deadlines use, see `tracker::vouched`.
    wall_time vouched_now() { return follow_clock().vouched(followed_at_.wall); }
    track::live_transaction live(track::row_ref row) const { return tracker_.live(row, around_.clock.now()); }

    // Several daemons share the transactions (poll_driver_shards.cpp). Alone, this one holds every shard for ever.

    const shard_set& held() const { return held_; }
    bool holds(std::uint8_t shard) const { return held_.test(shard); }
    /// The state of one of several before it has taken anything up.
    void hold_nothing() { held_.reset(); }
    /// These shards are held as well. Their stored rows come by a `loaded_event` with `within`.
    void hold(const shard_set& shards);
    /// These are not held any more. What waits of them is forgotten at once, what is in flight when it has ended.
    /// `keep_facts`: their counters go to the store.
    void let_go(const shard_set& shards, bool keep_facts);
    /// Rows of these shards in memory: 0 when what was let go has ended.
    std::size_t count_in(const shard_set& shards) const { return tracker_.count_in(shards); }
    /// Counters are on their way to the store.
    bool is_saving() const { return saves_ > 0; }
    /// From then on no poll is given out, whatever is held, as clock_source::since_boot counts; nullopt = never.
    void trust_until(std::optional<steady_duration> until);
    /// A transaction is durable: tracked if its shard is held. `once` as of tracked_event, whoever holds the shard.
    void take_in(track::active_transaction row, bool once = false);
    /// Another daemon has changed this row, or added it: nothing if its shard is not held.
    void refresh(track::active_transaction row);
    /// Proof has throttled another daemon, whose pause lasts so much longer: nothing is polled here either.
    void pause_as_elsewhere(milliseconds pause);
    /// Counters of rows to the store, 1,000 in a call; those of rows that have changed meanwhile are left out there.
    void save(std::vector<track::active_transaction> rows);

    std::optional<track::poll_ticket> next_poll() override;
    bool has_poll() override;
    bool may_repeat(const track::poll_ticket& ticket) override;
    void on_answer(track::poll_ticket ticket, track::poll_answer answer) override;

  private:
    void step(track::tracker_event event, instant now);
    bool is_trusted() const { return !trusted_until_ || around_.clock.since_boot() < *trusted_until_; }
    /// Whether polls may be given out.
    bool may_poll() const { return !is_stopped_ && is_trusted(); }
    void perform_step(track::tracker_event event, instant now);
    void tell_of_pause(steady_time now);
    void perform(track::change_action& change);
    void perform(track::reload_action& reload);
    void perform(track::save_action& saved);
    void perform(track::reread_token_action& wanted);
    void perform(track::health_action& health);
    void perform(track::poll_error_action& error);
    void perform(track::odd_status_action& odd);
    void perform(track::behind_action& behind);
    void perform(track::clock_skew_action& skew);
    void perform(track::burst_action& burst);
    /// Writes it down with the event that it owes; `then` gets it back with the event's id.
    void record(
        track::change_action change,
        unique_function<void(track::change_action, std::string, op_result<store::recorded_transition>)> then);
    /// It is durable: log, metrics, listener.
    void tell(const track::change_action& change, const std::string& event_id, store::recorded_transition recorded);
    void on_record_result(
        track::change_action change, const std::string& event_id, op_result<store::recorded_transition> result);
    void end_change(track::change_number number, const op_result<std::monostate>& how);
    void log_change(
        const track::change_action& change, std::string_view event_id, const store::recorded_transition& recorded);

    track::tracker tracker_;
    surroundings around_;
    track::clock_watch clocks_;
    instant followed_at_;
    proof::proof_client* proof_ = nullptr;
    bool is_stopped_ = false;
    shard_set held_ = all_shards();
    std::optional<steady_duration> trusted_until_; ///< since boot
    std::size_t saves_ = 0;                        ///< calls of the store
    steady_time told_until_{};                     ///< the end of the pause after a 429 that the other daemons know of
    std::multimap<track::change_number, unique_function<void(op_result<std::monostate>)>> after_change_;
    std::set<track::change_number> reloading_;         ///< refused as stale, and their rows are being loaded
    std::vector<track::tracker_action> spare_actions_; ///< capacity kept between steps
};

} // namespace prooftrack::engine
