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
#include "engine/meters.hpp"
#include "observe/log.hpp"
#include "proof/proof_client.hpp"
#include "store/store.hpp"
#include "track/clock_watch.hpp"
#include "track/tracker.hpp"

namespace prooftrack {

/// Receives what has become durable. Implemented by the engine.
class poll_driver_listener {
  public:
    virtual ~poll_driver_listener() = default;
    /// In the order of the commits; the tracker knows already.
    virtual void on_recorded(const change_action& change, recorded_transition recorded) = 0;
    /// A 401: the token file has to be read again, now.
    virtual void on_token_wanted() = 0;
    /// Polls may be due, or the next due time may have changed: call `wake_due`.
    virtual void on_stepped() = 0;
};

/// Everything stays on the loop. `attach` comes before anything is polled.
class poll_driver final : public poll_source {
  public:
    struct surroundings {
        const clock_source& clock;
        random_source& random;
        store& storage;
        event_log& log;
        meters& counts;
        std::function<std::vector<std::string>(event_type)>
            selecting; ///< names of the callbacks that get such an event
        poll_driver_listener& listener;
    };

    poll_driver(tracker_options options, surroundings around)
        : tracker_(std::move(options), around.random), around_(std::move(around)) {}

    void attach(proof_client& proof) { proof_ = &proof; }

    /// Passes an event to the core and performs the resulting actions.
    void step(tracker_event event);
    /// Notifies the core if the wall clock was set (rows may end or begin to be recorded), and returns the core. What
    /// the core permits then stays permitted for a `step_at_once` in the same turn of the loop.
    const tracker& follow_clock();
    /// As `step`, at the instant of `follow_clock`.
    void step_at_once(tracker_event event) { perform_step(std::move(event), followed_at_); }
    /// Runs `then` once the change that the row is recording has ended; with whether it is durable, store_error::stale
    /// if it was judged for another revision. Requires that the row is recording.
    void after_change(row_ref row, unique_function<void(op_result<std::monostate>)> then);
    /// No polls are given out any more; commits are still taken.
    void stop_polling() { is_stopped_ = true; }

    /// Wakes the connections if polls are due; when the next thing is. One `now` for both: what becomes due between
    /// two readings of the clock would be seen by neither.
    std::optional<steady_time> wake_due(instant now);
    const tracker& core() const { return tracker_; }
    /// The time that deadlines use, see `tracker::vouched`.
    wall_time vouched_now() { return follow_clock().vouched(followed_at_.wall); }
    live_transaction live(row_ref row) const { return tracker_.live(row, around_.clock.now()); }

    std::optional<poll_ticket> next_poll() override;
    bool has_poll() override;
    bool may_repeat(const poll_ticket& ticket) override;
    void on_answer(poll_ticket ticket, poll_answer answer) override;

  private:
    void step(tracker_event event, instant now);
    void perform_step(tracker_event event, instant now);
    void perform(change_action& change);
    void perform(reload_action& reload);
    void perform(reread_token_action& wanted);
    void perform(health_action& health);
    void perform(poll_error_action& error);
    void perform(odd_status_action& odd);
    void perform(behind_action& behind);
    void perform(clock_skew_action& skew);
    void perform(burst_action& burst);
    void on_record_result(change_action change, const std::string& event_id, op_result<recorded_transition> result);
    void end_change(change_number number, const op_result<std::monostate>& how);
    void log_change(const change_action& change, std::string_view event_id, std::optional<event_seq> seq);

    tracker tracker_;
    surroundings around_;
    clock_watch clocks_;
    instant followed_at_;
    proof_client* proof_ = nullptr;
    bool is_stopped_ = false;
    std::multimap<change_number, unique_function<void(op_result<std::monostate>)>> after_change_;
    std::set<change_number> reloading_;         ///< refused as stale, and their rows are being loaded
    std::vector<tracker_action> spare_actions_; ///< capacity kept between steps
};

} // namespace prooftrack
