#pragma once

// The delivery side as the engine sees it. It joins the parts, each of which has one job, and decides nothing itself:
//
//   lane_keeper        which lanes are in memory              lane_table         finds them, and the next wake
//   lane_feeder        starts deliveries on a lane            delivery_attempts  one attempt's steps
//   failing_callbacks  what follows from a lane's health      store_pressure     a full or failed store
//   callback_controls  pause, resume, flush by hand           callback_reports   status and metrics
//   callback_tester    tests by hand
//
// The decisions are track's: delivery_lane, delivery_health, delivery_policy, shared_limit.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/shards.hpp"
#include "engine/delivery/callback_controls.hpp"
#include "engine/delivery/callback_reports.hpp"
#include "engine/delivery/callback_tester.hpp"
#include "engine/delivery/delivery_attempts.hpp"
#include "engine/delivery/delivery_context.hpp"
#include "engine/delivery/failing_callbacks.hpp"
#include "engine/delivery/lane_feeder.hpp"
#include "engine/delivery/lane_keeper.hpp"
#include "track/clock_watch.hpp"

namespace prooftrack::engine {

/// Makes every pending delivery. Lives on the loop. An attempt's outcome is durable before the next attempt is waited
/// for and before the next event of its transaction goes; an outcome that was not recorded (crash, stop) leads to the
/// same attempt again. Pending handlers hold `this`: destroy it when the store and the notifier have stopped, or when
/// the loop runs no more.
class delivery_driver final : private delivery_host {
  public:
    /// `wake_changed` runs whenever `next_wake` has changed; it must not call back into the driver, but may read
    /// `next_wake`.
    delivery_driver(
        delivery_dependencies deps, callback_table table, std::uint64_t seed, unique_function<void()> wake_changed);
    delivery_driver(const delivery_driver&) = delete;
    delivery_driver& operator=(const delivery_driver&) = delete;

    /// Continues where the last run ended. Called once, before anything is recorded.
    void start(const store::store_status& status);
    /// New heads of a recorded transition; called in the order of recording.
    void on_recorded(store::recorded_transition recorded);
    /// New heads that the store made otherwise: of a replay, or what had waited behind one.
    void on_made(const std::vector<store::delivery_head>& heads);
    /// Applies from the next attempt on. The notifier must know the new targets already.
    void reconfigure(callback_table table);
    const callback_table& callbacks() const { return context_.table; }

    // Several nodes: each makes the deliveries of the shards that it holds; at first all of them.

    /// Before `start`, where shards are taken up one after the other.
    void hold_nothing() { context_.shards.reset(); }
    /// Right behind the call of cluster_store::let_go, so that nothing read later is of them: no attempt of them begins
    /// any more, also not by an answer that was on its way. Those that have begun end and are recorded as ever.
    void let_go(const shard_set& shards);
    /// Behind the call of cluster_store::take_up (at once, or when it is done): what the store has of them is read.
    void taken_up(const shard_set& shards);
    /// How many attempts of these shards have begun and are not recorded, also because the store refuses them now.
    std::size_t busy_in(const shard_set& shards) const { return attempts_.busy_in(shards); }
    /// No attempt begins at that time or later, as clock_source::since_boot counts; nullopt = trusted for ever. Tests
    /// by hand are made all the same.
    void trust_until(std::optional<steady_duration> until);
    /// See callback_controls.
    void follow_controls(const store::store_status& status);
    /// Another node has changed what is due on these lanes, and has retried these deliveries by hand.
    void on_changed_elsewhere(const std::vector<std::string>& lanes, const std::vector<delivery_id>& retried);
    /// A replay began or was cancelled: nothing of a replay is attempted before the store has been asked again.
    void on_replays_changed_elsewhere();

    std::optional<steady_time> next_wake() const;
    /// Also to be called when nothing is due: like each call it notices that the wall clock was set or that the machine
    /// slept (clock_watch), and then counts all waits anew.
    void on_wake(instant now);
    /// While the store is full nothing starts; when it has space again, outcomes that wait are recorded first.
    void on_store_state(track::store_state state);
    /// Maintenance: while it is on no attempt starts; those in flight end and are recorded. Afterwards what became due
    /// goes on slowly. What it is already changes nothing. Tests by hand are made all the same.
    void set_held(bool is_held);
    /// Starts nothing more; attempts in flight have `within` to end, what ends in time is recorded, then `stopped` runs
    /// once. Called once.
    void stop(milliseconds within, unique_function<void()> stopped);

    /// Due now, the schedule from the start; replaces the automatic attempt that is pending. store_error::not_found if
    /// there is none.
    void retry_delivery(delivery_id id, store::store_handler<std::monostate> handler);
    /// All dead ones (of one callback): how many.
    void retry_dead(std::optional<std::string> callback, store::store_handler<std::uint64_t> handler);
    /// Of what is pending of it only attempts that have begun are left: they end as any other does. Those that are kept
    /// because the store refused go on.
    void cancel_replay(replay_id id, store::store_handler<store::replay_end> handler);
    /// See callback_controls.
    void pause_callback(std::string name, store::store_handler<std::monostate> handler) {
        controls_.pause(std::move(name), std::move(handler));
    }
    void resume_callback(std::string name, store::store_handler<std::monostate> handler) {
        controls_.resume(std::move(name), std::move(handler));
    }
    void flush_callback(std::string name, store::store_handler<std::uint64_t> handler) {
        controls_.flush(std::move(name), std::move(handler));
    }
    /// Tells of the pauses that have lasted long.
    void remind(const store::store_status& status) { controls_.remind(status); }
    /// Sends one signed `callback.test` event now, outside the lane; false when no callback has this name (the handler
    /// is dropped). Taken, it ends `failing` where nothing is pending.
    bool test_callback(const std::string& name, unique_function<void(callback::delivery_outcome)> handler);

    /// See callback_reports.
    std::vector<callback_view> views(const store::store_status& status, wall_time now) const {
        return reports_.views(status, now);
    }
    void report(const store::store_status& status, wall_time now) { reports_.report(status, now); }
    /// See annotate_delivery.
    void annotate(track::delivery_view& view) const;

    std::size_t lanes() const { return context_.lanes.size(); }
    std::size_t in_flight() const { return attempts_.size(); } ///< loading, attempting or being recorded
    std::size_t fresh_bytes() const { return context_.fresh.bytes(); }
    bool full() const { return context_.pressure.is_full(); }

  private:
    instant enter() override;
    void leave() override;
    void feed(delivery_slot& slot, instant now) override { feeder_.feed(slot, now); }
    void retire_if_idle(delivery_slot& slot) override { keeper_.retire_if_idle(slot); }
    void on_lane_retired() override { read_lanes(false); }
    void take_in(const store::delivery_head& head, instant now) override;
    void on_health(delivery_slot& slot, track::delivery_health::change change, instant now) override {
        failing_.on_health(slot, change, now);
    }
    void on_write_refused(instant now) override;
    void on_store_writable(instant now) override;
    void on_store_error(const op_error& error, instant now) override;
    void on_outcome_settled() override { context_.stop.finish_unless(attempts_.any_recording()); }

    void follow_clock(instant now);
    void try_store(instant now);
    void keep_fresh(store::delivery_record record);
    void sync_lanes(bool warn);
    void read_lanes(bool warn);
    void on_lanes(const op_result<store::store_status>& status, bool warn);
    void read_again_replayed(instant now);
    void take_over(const store::lane_summary& summary, instant now);
    void warn_if_unconfigured(const store::lane_summary& summary);
    void on_test_taken(const std::string& name);
    void on_retried(delivery_id id, const op_result<store::delivery_head>& head);
    void on_dead_retried(const std::optional<std::string>& callback, const op_result<std::uint64_t>& count);

    delivery_context context_;
    unique_function<void()> wake_changed_;
    failing_callbacks failing_;
    lane_keeper keeper_;
    delivery_attempts attempts_;
    lane_feeder feeder_;
    callback_controls controls_;
    callback_tester tester_;
    callback_reports reports_;
    track::clock_watch clocks_;
    std::size_t lane_reads_ = 0;           ///< of the store's lanes, under way
    bool lane_read_failed_ = false;        ///< to be repeated when the store may be tried again
    std::optional<steady_time> announced_; ///< the wake that was reported last
};

} // namespace prooftrack::engine
