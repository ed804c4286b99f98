#pragma once

// The half of the engine that tells: owns the lanes, joins the store to the notifier, and decides nothing itself
// (track/delivery_*).

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/clock.hpp"
#include "callback/notifier.hpp"
#include "engine/callback_table.hpp"
#include "engine/callback_view.hpp"
#include "engine/delivery_slot.hpp"
#include "observe/log.hpp"
#include "store/store.hpp"
#include "track/clock_watch.hpp"

namespace prooftrack {

/// Most lanes of callback_urls in memory, and most heads in each: beyond them deliveries wait in the store for a lane
/// to empty.
inline constexpr std::size_t most_url_lanes = 4096;
inline constexpr std::size_t url_lane_capacity = 64;
/// Most attempts in flight over all lanes of callback_urls together.
inline constexpr std::size_t most_url_attempts = 1024;
/// Most bytes of new events that are kept for their first attempts; what is beyond is loaded from the store.
inline constexpr std::size_t most_fresh_bytes = 8U << 20U;
/// Most tests of callbacks under way.
inline constexpr std::size_t most_callback_tests = 16;
/// How often a refused write is tried again, and how soon a failed read.
inline constexpr seconds store_retry_interval{1};
/// How often a failing callback is logged.
inline constexpr std::chrono::hours failing_log_interval{1};

/// What the driver works with. All of it must outlive the driver.
struct delivery_doors {
    const clock_source& clock;
    store& memory;
    notifier& sender;
    event_log& log;
    delivery_metrics& metrics;
};

/// Makes every owed delivery. Lives on the loop. An attempt's outcome is durable before the next attempt is waited for
/// and before the next event of its transaction goes; an outcome that was not recorded (crash, stop) leads to the same
/// attempt again. Pending handlers hold `this`: destroy it when the store and the notifier have stopped, or when the
/// loop runs no more.
class delivery_driver {
  public:
    /// `wake_changed` runs whenever `next_wake` has changed; it must not call back into the driver, but may read
    /// `next_wake`.
    delivery_driver(delivery_doors doors, callback_table table, std::uint64_t seed,
                    unique_function<void()> wake_changed);
    delivery_driver(const delivery_driver&) = delete;
    delivery_driver& operator=(const delivery_driver&) = delete;
    ~delivery_driver();

    /// Goes on where the last run ended. Called once, before anything is recorded.
    void start(const store_status& status);
    /// New heads of a recorded transition; called in the order of recording.
    void on_recorded(recorded_transition recorded);
    /// Holds from the next attempt. The notifier must know the new targets already.
    void reconfigure(callback_table table);
    const callback_table& callbacks() const { return table_; }

    std::optional<steady_time> next_wake() const;
    void on_wake(instant now);
    /// A full store starts nothing; with room again what could not be recorded is recorded first.
    void on_store_state(store_state state);
    /// The wall clock jumped (the driver notices jumps over 2 s by itself when it is called): waits are counted anew.
    void on_clock_jump();
    /// Starts nothing more; attempts in flight have `within` to end, what ends in time is recorded, then `stopped` runs
    /// once.
    void stop(milliseconds within, unique_function<void()> stopped);

    /// Due now, the schedule from the start; replaces the automatic attempt that is pending. store_error::not_found if
    /// there is none.
    void retry_delivery(delivery_id id, store_handler<std::monostate> handler);
    /// All dead ones (of one callback): how many.
    void retry_dead(std::optional<std::string> callback, store_handler<std::uint64_t> handler);
    /// Sends one signed `callback.test` event now, outside the lane; false when no callback has this name (the handler
    /// is dropped).
    bool test_callback(const std::string& name, unique_function<void(delivery_outcome)> handler);

    /// Every configured callback, every unconfigured one that is still owed something, and callback_url when it is
    /// allowed or owed.
    std::vector<callback_view> views(const store_status& status, wall_time now) const;
    /// Hands the same to the metrics.
    void report(const store_status& status, wall_time now);
    /// What lists show of a pending delivery: why it is not attempted when its callback is not configured, no time when
    /// it waits for a failing one, and when it really is due when a wrong clock noted a time that nobody waits for.
    void annotate(delivery_view& view) const;

    std::size_t lanes() const { return slots_.size(); }
    std::size_t in_flight() const { return attempts_.size(); } ///< loading, attempting or being recorded
    std::size_t fresh_bytes() const { return fresh_bytes_; }
    bool full() const { return full_; }

  private:
    using slot = delivery_slot;
    using attempt = delivery_attempt;
    struct wake_place {
        steady_time when{};
        std::uint64_t number = 0;
        auto operator<=>(const wake_place&) const = default;
    };

    // delivery_driver.cpp: lanes and wakes
    instant enter();
    void follow_clock(instant now);
    void leave();
    slot* find_slot(std::string_view lane);
    slot* make_slot(const std::string& lane, bool whole);
    slot* slot_for(const std::string& lane);
    void drop_if_idle(slot& place);
    void drop(slot& place);
    void drop_idle_failing_one();
    void pump(slot& place, instant now);
    void pump_all(instant now);
    void pump_starved(instant now);
    void ask_refill(slot& place);
    void arm(slot& place, instant now);
    void sync_lanes(bool warn);
    void take_over(const lane_summary& summary, instant now);
    void insert_head(const delivery_head& head, instant now);
    bool waits_for_recovery(const delivery_view& due) const;
    bool may_start() const { return !full_ && !halted_ && !stopping_; }

    // delivery_attempts.cpp: one attempt's way
    void keep_fresh(delivery_record record);
    std::optional<delivery_record> take_fresh(delivery_id id);
    void load(slot& place, const lane_head& head, instant now);
    void on_loaded(delivery_id id, op_result<std::optional<delivery_record>> loaded);
    void begin_ready(slot& place, instant now);
    void begin(attempt& one, instant now);
    void on_outcome(delivery_id id, delivery_outcome outcome);
    void record(attempt& one);
    void on_attempt_recorded(delivery_id id, op_result<std::optional<delivery_head>> recorded);
    void report_outcome(const attempt& one);
    void remove(delivery_id id);
    void release(delivery_id id, instant now);
    void on_health(slot& place, delivery_health::change change, instant now);
    void save_failing(slot& place);
    void on_failing_saved(slot& place, const std::optional<op_error>& error, std::uint64_t freed);
    void log_still_failing(slot& place, instant now);
    void enter_full(instant now);
    void leave_full(instant now);
    void try_room(instant now);
    void on_store_failure(const op_error& error, instant now);
    void finish_stop();

    delivery_doors doors_;
    callback_table table_;
    random_source random_;
    unique_function<void()> wake_changed_;

    std::map<std::string, std::unique_ptr<slot>, std::less<>> slots_;
    std::map<wake_place, slot*> wakes_;
    std::map<delivery_id, attempt> attempts_;      ///< taken, not yet recorded
    std::map<delivery_id, delivery_record> fresh_; ///< never attempted yet, so the store has nothing newer
    std::size_t fresh_bytes_ = 0;
    std::vector<delivery_id> unrecorded_; ///< ended, but the store was full; oldest first
    std::deque<slot*> starved_;           ///< lanes of callback_urls that wait for `most_url_attempts`
    std::set<std::string> reported_;      ///< callbacks whose gauges were set
    std::size_t url_lanes_ = 0;
    std::size_t url_attempts_ = 0;
    std::size_t recording_ = 0;
    std::size_t tests_ = 0;
    std::uint64_t last_number_ = 0;
    bool lanes_left_out_ = false; ///< the store owes on lanes of callback_urls that found no place
    bool full_ = false;
    bool halted_ = false; ///< the store has stopped for good
    bool stopping_ = false;
    bool sender_stopped_ = false;
    steady_time cut_at_{};
    std::optional<steady_time> room_at_; ///< when a refused write is tried again
    std::optional<steady_time> announced_;
    clock_watch clocks_;
    unique_function<void()> stopped_;
};

} // namespace prooftrack
